//! The macros that define an interposed symbol, and the way to the real function beneath it.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The address of libc's own function of some name: the next definition after ours in the order of the dynamic linker.
///
/// Looked up by a load-time constructor, so that a later use is a load and an indirect call and safe in a signal
/// handler; a use before that looks it up itself.
pub(crate) struct Slot {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Slot {
    pub(crate) const fn new(name_with_nul: &'static str) -> Slot {
        match CStr::from_bytes_with_nul(name_with_nul.as_bytes()) {
            Ok(name) => Slot { name, address: AtomicPtr::new(ptr::null_mut()) },
            Err(_) => panic!("a symbol's name ends with its only NUL"),
        }
    }

    pub(crate) fn name(&self) -> &'static CStr {
        self.name
    }

    /// `None` where this glibc is too old to have the function.
    #[inline]
    pub(crate) fn get(&self) -> Option<*mut c_void> {
        // Relaxed: the address is of code, which was there before any thread; nothing else is published with it.
        let address = self.address.load(Ordering::Relaxed);
        if address.is_null() { self.look_up() } else { Some(address) }
    }

    #[cold]
    fn look_up(&self) -> Option<*mut c_void> {
        // SAFETY: the name is a C string that lives forever. A successful `dlsym` neither allocates nor calls back.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.address.store(address, Ordering::Relaxed);
        (!address.is_null()).then_some(address)
    }
}

/// An interposed symbol: one row of the table that keeps it linked.
pub(crate) struct Symbol {
    pub(crate) name: &'static str,
    /// The address of our definition.
    pub(crate) ours: fn() -> usize,
    pub(crate) slot: &'static Slot,
}

/// What a libc function of this return type answers when it fails.
pub(crate) trait Failure {
    const FAILURE: Self;
}

impl Failure for i32 {
    const FAILURE: i32 = -1;
}
impl Failure for i64 {
    const FAILURE: i64 = -1;
}
impl Failure for isize {
    const FAILURE: isize = -1;
}
impl Failure for u32 {
    const FAILURE: u32 = 0;
}
impl Failure for u64 {
    const FAILURE: u64 = 0;
}
impl Failure for () {
    const FAILURE: () = ();
}
impl<T> Failure for *mut T {
    const FAILURE: *mut T = ptr::null_mut();
}

/// Sets this thread's errno.
pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: glibc's pointer to the calling thread's errno is valid as long as the thread is.
    unsafe { *libc::__errno_location() = errno }
}

/// Fails as libc does: sets errno, answers the failure value.
pub(crate) fn fail<T: Failure>(errno: c_int) -> T {
    set_errno(errno);
    T::FAILURE
}

/// Whether the call of `symbol` comes from inside a simulation and is therefore refused. Records the leak.
#[inline]
pub(crate) fn refused(symbol: &'static str, detail: impl FnOnce() -> String) -> bool {
    if super::current::simulation().is_none() {
        return false;
    }
    super::leak::record(symbol, detail);
    true
}

/// Asks the world something, in host mode: what the kernel itself does to answer is not simulated.
#[inline]
pub(crate) fn ask<R>(question: impl FnOnce(&'static dyn super::hooks::Hooks) -> Option<R>) -> Option<R> {
    let hooks = super::current::simulation()?;
    super::current::host(|| question(hooks))
}

/// Defines libc symbols. Beside each `fn name` it defines `real::name`, which calls libc's own; `as TYPE` gives the C
/// type of the real one where it is variadic. All are listed in the static named first.
macro_rules! interpose {
    ($table:ident; $(
        $(#[$meta:meta])*
        fn $name:ident ( $($arg:ident : $ty:ty),* $(,)? ) $(-> $ret:ty)? $(as $real:ty)? $body:block
    )+) => {
        #[allow(non_upper_case_globals, reason = "a slot is named as its symbol")]
        mod slots {
            use $crate::seal::interpose::Slot;
            $( $(#[$meta])* pub(super) static $name: Slot = Slot::new(concat!(stringify!($name), "\0")); )+
        }

        #[allow(dead_code, reason = "some are only ever refused or rerouted")]
        pub(in $crate::seal) mod real {
            #[allow(unused_imports, reason = "the types of the functions")]
            use super::*;
            $(
                $(#[$meta])*
                #[inline]
                pub(in $crate::seal) unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
                    let Some(address) = super::slots::$name.get() else {
                        return $crate::seal::interpose::fail(libc::ENOSYS);
                    };
                    type Real = interpose!(@real [$($real)?] ($($ty),*) $(-> $ret)?);
                    // SAFETY: libc's function of this name has the C type that this definition is written for.
                    let function = unsafe { std::mem::transmute::<*mut std::ffi::c_void, Real>(address) };
                    // SAFETY: the caller passes what the C function asks for.
                    unsafe { function($($arg),*) }
                }
            )+
        }

        $(
            $(#[$meta])*
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? $body
        )+

        pub(in $crate::seal) static $table: &[$crate::seal::interpose::Symbol] = &[$(
            $(#[$meta])*
            $crate::seal::interpose::Symbol {
                name: stringify!($name),
                ours: || $name as *const () as usize,
                slot: &slots::$name,
            },
        )+];
    };
    (@real [$real:ty] ($($ty:ty),*) $(-> $ret:ty)?) => { $real };
    (@real [] ($($ty:ty),*) $(-> $ret:ty)?) => { unsafe extern "C" fn($($ty),*) $(-> $ret)? };
}

/// Defines libc symbols that have no place in a simulation: they fail with EPERM there, and leak by name.
macro_rules! refuse {
    ($table:ident; $(
        $(#[$meta:meta])*
        fn $name:ident ( $($arg:ident : $ty:ty),* $(,)? ) $(-> $ret:ty)? $(as $real:ty)? ;
    )+) => {
        interpose! {
            $table;
            $(
                $(#[$meta])*
                fn $name($($arg: $ty),*) $(-> $ret)? $(as $real)? {
                    if $crate::seal::interpose::refused(stringify!($name), String::new) {
                        return $crate::seal::interpose::fail(libc::EPERM);
                    }
                    // SAFETY: the caller's own arguments, unchanged.
                    unsafe { real::$name($($arg),*) }
                }
            )+
        }
    };
}
