//! How many passes speak to the API server at a time. A pass that waits for the mail server keeps nobody from it.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Passes that are begun for each slot: the others wait for the mail server's table, for its journal, or for the slot. The disk of
/// the mail server may be as slow as the API server.
pub(crate) const BEGUN_PER_SLOT: u16 = 3;

/// The slots of one namespace.
pub(crate) struct Slots(Semaphore);

impl Slots {
    pub fn new(count: u16) -> Self {
        Self(Semaphore::new(count.into()))
    }

    /// Waits for a slot; it is free again when what this gives ends.
    pub async fn take(&self) -> Slot<'_> {
        Slot { all: &self.0, held: self.0.acquire().await.ok() }
    }
}

/// The right of a pass to speak to the API server.
pub(crate) struct Slot<'a> {
    all: &'a Semaphore,
    held: Option<SemaphorePermit<'a>>,
}

impl Slot<'_> {
    /// Waits for something else meanwhile: the slot is somebody else's from now on, until [`Slot::back`].
    pub async fn lend<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.held = None;
        wait.await
    }

    /// Waits for a slot again, if it was lent: before the API server is spoken to. Who waits for several things in between comes
    /// to the end of the queue once.
    pub async fn back(&mut self) {
        if self.held.is_none() {
            self.held = self.all.acquire().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn who_waits_for_the_mail_server_lends_its_slot() {
        let slots = Slots::new(1);
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        let mut first = slots.take().await;
        assert!(slots.take().now_or_never().is_none(), "taken");
        let mut waiting = Box::pin(first.lend(answered));
        assert!(waiting.as_mut().now_or_never().is_none());
        let second = slots.take().now_or_never().expect("lent");
        answer.send(()).expect("waited for");
        assert_eq!(waiting.now_or_never(), Some(Ok(())), "what comes next may be another wait, without a slot");
        first.lend(async {}).now_or_never().expect("nothing to wait for");
        assert!(first.back().now_or_never().is_none(), "the API server only when there is a slot again");
        drop(second);
        assert_eq!(first.back().now_or_never(), Some(()));
        assert_eq!(first.back().now_or_never(), Some(()), "it is there");
        assert!(slots.take().now_or_never().is_none(), "taken");
        drop(first);
        assert!(slots.take().now_or_never().is_some(), "free again");
    }
}
