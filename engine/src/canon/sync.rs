//! What the registry is synchronised by: the standard library's, and in tests the same with a point
//! before each step at which a model test may let another thread go on.

#[cfg(not(test))]
pub(super) use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
#[cfg(test)]
pub(super) use std::sync::{RwLockReadGuard, RwLockWriteGuard};
#[cfg(test)]
pub(super) use tested::{Arc, RwLock, Weak, model};

#[cfg(test)]
mod tested {
    use std::cell::Cell;
    use std::ops::Deref;
    use std::sync::{self, LockResult, RwLockReadGuard, RwLockWriteGuard, TryLockError};

    std::thread_local! {
        /// Whether this thread runs a model test, whose threads are tasks of it.
        static IN_MODEL: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs a model test: what happens within is interleaved as its scheduler likes.
    pub(crate) fn model(run: impl FnOnce()) {
        IN_MODEL.set(true);
        run();
        IN_MODEL.set(false);
    }

    /// Lets another thread of a model test go on, or not.
    fn point() {
        if IN_MODEL.get() && !std::thread::panicking() {
            shuttle::thread::yield_now();
        }
    }

    /// Takes a lock, in a model test without blocking the thread that runs all of its tasks.
    fn lock<G>(
        blocking: impl FnOnce() -> LockResult<G>,
        attempt: impl Fn() -> Result<G, TryLockError<G>>,
    ) -> LockResult<G> {
        point();
        if !IN_MODEL.get() {
            return blocking();
        }
        loop {
            match attempt() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => shuttle::thread::yield_now(),
            }
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
            lock(|| self.0.read(), || self.0.try_read())
        }

        pub(crate) fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
            lock(|| self.0.write(), || self.0.try_write())
        }
    }

    #[derive(Debug)]
    pub(crate) struct Arc<T>(sync::Arc<T>);

    impl<T> Arc<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::Arc::new(value))
        }

        pub(crate) fn downgrade(this: &Self) -> Weak<T> {
            Weak(sync::Arc::downgrade(&this.0))
        }

        pub(crate) fn ptr_eq(this: &Self, other: &Self) -> bool {
            sync::Arc::ptr_eq(&this.0, &other.0)
        }
    }

    impl<T> Clone for Arc<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Deref for Arc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    impl<T> Drop for Arc<T> {
        fn drop(&mut self) {
            point();
        }
    }

    #[derive(Debug)]
    pub(crate) struct Weak<T>(sync::Weak<T>);

    impl<T> Weak<T> {
        pub(crate) fn new() -> Self {
            Self(sync::Weak::new())
        }

        pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
            point();
            self.0.upgrade().map(Arc)
        }

        pub(crate) fn strong_count(&self) -> usize {
            point();
            self.0.strong_count()
        }
    }
}
