//! A bounded way to say: look at this object.

use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;

/// Says which objects of a kind to look at.
pub struct Trigger<K: Resource<DynamicType = ()>> {
    namespace: String,
    sender: mpsc::Sender<ObjectRef<K>>,
}

impl<K: Resource<DynamicType = ()>> Clone for Trigger<K> {
    fn clone(&self) -> Self {
        Self { namespace: self.namespace.clone(), sender: self.sender.clone() }
    }
}

impl<K: Resource<DynamicType = ()>> Trigger<K> {
    /// A trigger and the stream that a controller takes.
    pub fn new(namespace: &str) -> (Self, mpsc::Receiver<ObjectRef<K>>) {
        let (sender, receiver) = mpsc::channel(1024);
        (Self { namespace: namespace.into(), sender }, receiver)
    }

    /// Look at `name`; waits while the queue is full.
    pub async fn fire(&self, name: &str) {
        let _ = self.sender.send(ObjectRef::new(name).within(&self.namespace)).await;
    }
}
