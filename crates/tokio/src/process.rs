//! `tokio::process`: tokio's own outside a simulation. A simulated node starts no processes: there is nothing that a program
//! from outside could run in. To start one is refused by name.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Output, Stdio};

pub use real_tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

/// A program to start, as `tokio::process::Command`. In a simulation it can be described and not started.
///
/// What is not here, `pre_exec`, is tokio's own method, reached through [`DerefMut`].
#[derive(Debug)]
pub struct Command {
    real: real_tokio::process::Command,
}

impl Command {
    /// Describes the start of `program`.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Self {
        Self { real: real_tokio::process::Command::new(program) }
    }

    /// As std's.
    #[must_use]
    pub fn as_std(&self) -> &StdCommand {
        self.real.as_std()
    }

    /// As std's.
    pub fn as_std_mut(&mut self) -> &mut StdCommand {
        self.real.as_std_mut()
    }

    /// To std's.
    #[must_use]
    pub fn into_std(self) -> StdCommand {
        self.real.into_std()
    }

    fn set(&mut self, f: impl FnOnce(&mut real_tokio::process::Command)) -> &mut Self {
        f(&mut self.real);
        self
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Self {
        self.set(|real| {
            real.arg(arg);
        })
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.set(|real| {
            real.args(args);
        })
    }

    /// Sets a variable of the environment.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.set(|real| {
            real.env(key, val);
        })
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.set(|real| {
            real.envs(vars);
        })
    }

    /// Removes a variable of the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Self {
        self.set(|real| {
            real.env_remove(key);
        })
    }

    /// Empties the environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.set(|real| {
            real.env_clear();
        })
    }

    /// Sets the working directory.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Self {
        self.set(|real| {
            real.current_dir(dir);
        })
    }

    /// Sets what standard input is.
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.set(|real| {
            real.stdin(cfg);
        })
    }

    /// Sets what standard output is.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.set(|real| {
            real.stdout(cfg);
        })
    }

    /// Sets what standard error is.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.set(|real| {
            real.stderr(cfg);
        })
    }

    /// Whether the process is killed when its handle is dropped.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Self {
        self.set(|real| {
            real.kill_on_drop(kill_on_drop);
        })
    }

    /// Whether the process is killed when its handle is dropped.
    #[must_use]
    pub fn get_kill_on_drop(&self) -> bool {
        self.real.get_kill_on_drop()
    }

    /// Sets the user.
    #[cfg(unix)]
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.set(|real| {
            real.uid(id);
        })
    }

    /// Sets the group.
    #[cfg(unix)]
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.set(|real| {
            real.gid(id);
        })
    }

    /// Sets the name that the program sees as its own.
    #[cfg(unix)]
    pub fn arg0<S>(&mut self, arg: S) -> &mut Self
    where
        S: AsRef<OsStr>,
    {
        self.set(|real| {
            real.arg0(arg);
        })
    }

    /// Sets the process group.
    #[cfg(unix)]
    pub fn process_group(&mut self, pgroup: i32) -> &mut Self {
        self.set(|real| {
            real.process_group(pgroup);
        })
    }

    /// The error with which a simulation refuses to start a program.
    fn refused(&self) -> Option<io::Error> {
        let program = self.real.as_std().get_program();
        stormglass_kernel::is_current().then(|| {
            let what = format!("tokio::process: a simulated node cannot start {}", program.display());
            io::Error::new(io::ErrorKind::Unsupported, what)
        })
    }

    /// Starts the program.
    ///
    /// # Errors
    /// As tokio's; `Unsupported` in a simulation.
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.refused().map_or_else(|| self.real.spawn(), Err)
    }

    /// Starts the program and waits for its end.
    ///
    /// # Errors
    /// As tokio's; `Unsupported` in a simulation.
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let started = self.refused().map_or_else(|| Ok(self.real.status()), Err);
        async { started?.await }
    }

    /// Starts the program, waits for its end, and gives what it wrote.
    ///
    /// # Errors
    /// As tokio's; `Unsupported` in a simulation.
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        let started = self.refused().map_or_else(|| Ok(self.real.output()), Err);
        async { started?.await }
    }
}

impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Self {
        Self { real: std.into() }
    }
}

impl Deref for Command {
    type Target = real_tokio::process::Command;

    fn deref(&self) -> &Self::Target {
        &self.real
    }
}

impl DerefMut for Command {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.real
    }
}
