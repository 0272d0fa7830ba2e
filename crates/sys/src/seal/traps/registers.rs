//! The registers of an interrupted thread, by what a system call keeps in them.

use libc::{c_long, ucontext_t};

/// The registers that a signal handler may read and change.
pub(super) struct Registers<'a>(&'a mut ucontext_t);

impl<'a> Registers<'a> {
    /// # Safety
    ///
    /// `context` is the third argument of a running signal handler that nothing else refers to.
    pub(super) unsafe fn of(context: *mut libc::c_void) -> Registers<'a> {
        // SAFETY: as the caller promises.
        Registers(unsafe { &mut *context.cast::<ucontext_t>() })
    }
}

#[cfg(target_arch = "x86_64")]
impl Registers<'_> {
    fn register(&mut self, register: libc::c_int) -> &mut c_long {
        // The constants of libc are small and not negative.
        &mut self.0.uc_mcontext.gregs[usize::try_from(register).unwrap_or(0)]
    }

    /// Number and arguments of the system call that was trapped: the kernel has put them back.
    pub(super) fn system_call(&mut self) -> (c_long, [c_long; 6]) {
        use libc::{REG_R8, REG_R9, REG_R10, REG_RAX, REG_RDI, REG_RDX, REG_RSI};
        let arguments = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9].map(|r| *self.register(r));
        (*self.register(REG_RAX), arguments)
    }

    /// What the trapped call is to answer.
    pub(super) fn answer(&mut self, value: c_long) {
        *self.register(libc::REG_RAX) = value;
    }

    /// Where the thread goes on.
    #[allow(clippy::cast_sign_loss, reason = "a register has no sign")]
    pub(super) fn instruction(&mut self) -> usize {
        *self.register(libc::REG_RIP) as usize
    }

    /// Answers `rdtsc` or `rdtscp`, of `length` bytes, and steps over it.
    #[allow(clippy::cast_possible_wrap, reason = "a register has no sign")]
    pub(super) fn counter(&mut self, value: u64, length: usize) {
        *self.register(libc::REG_RAX) = (value & 0xffff_ffff) as c_long;
        *self.register(libc::REG_RDX) = (value >> 32) as c_long;
        if length == super::tsc::RDTSCP.len() {
            // Which processor it was: the only one that the program knows of.
            *self.register(libc::REG_RCX) = 0;
        }
        *self.register(libc::REG_RIP) += length as c_long;
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers<'_> {
    /// Number and arguments of the system call that was trapped: the kernel has put them back.
    #[allow(clippy::cast_possible_wrap, reason = "a register has no sign")]
    pub(super) fn system_call(&mut self) -> (c_long, [c_long; 6]) {
        let registers = &self.0.uc_mcontext.regs;
        (registers[8] as c_long, std::array::from_fn(|n| registers[n] as c_long))
    }

    /// What the trapped call is to answer.
    #[allow(clippy::cast_sign_loss, reason = "a register has no sign")]
    pub(super) fn answer(&mut self, value: c_long) {
        self.0.uc_mcontext.regs[0] = value as u64;
    }

    /// Where the thread goes on.
    pub(super) fn instruction(&mut self) -> usize {
        usize::try_from(self.0.uc_mcontext.pc).unwrap_or(0)
    }
}
