//! A future that is whole even when it panics: its output is what a thread that ran it would have joined with.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// Catches the panic of a program's body, payload and all: it belongs to the harness that called the body.
pub(crate) struct Whole<F>(Option<Pin<Box<F>>>);

impl<F> Whole<F> {
    pub(crate) fn new(body: F) -> Self {
        Self(Some(Box::pin(body)))
    }
}

impl<F: Future> Future for Whole<F> {
    type Output = thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(body) = &mut self.0 else { return Poll::Pending };
        let polled = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => {
                // What the body held goes now, as when a thread unwinds; a second panic there changes nothing.
                let body = self.0.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
                Poll::Ready(Err(payload))
            }
        }
    }
}
