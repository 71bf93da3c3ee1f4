//! Whether the caches of every namespace were filled: what /readyz of the leader says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What is known of the caches of each namespace; shared by all who hold a clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, Option<watch::Receiver<bool>>>>>);

impl Readiness {
    /// Of these namespaces none is looked at yet.
    pub fn of(namespaces: &[String]) -> Self {
        Self(Arc::new(Mutex::new(namespaces.iter().map(|n| (n.clone(), None)).collect())))
    }

    /// From now on `filled` tells of a namespace.
    pub fn follow(&self, namespace: &str, filled: watch::Receiver<bool>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.into(), Some(filled));
    }

    /// Which namespaces cannot be served yet, in a sentence; `None` when all are.
    pub fn missing(&self) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |state: &Option<watch::Receiver<bool>>| state.as_ref().is_some_and(|filled| *filled.borrow());
        let missing: Vec<&str> = known.iter().filter(|(_, state)| !filled(state)).map(|(n, _)| n.as_str()).collect();
        (!missing.is_empty()).then(|| {
            format!(
                "the caches of {} are not filled, so nothing is decided there; if this stays, the log names the kind that cannot be \
                 listed: are the kinds installed, and does the chart serve the namespace?",
                missing.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_to_be_filled() {
        let readiness = Readiness::of(&["a".into(), "b".into()]);
        let (a, b) = (watch::Sender::new(true), watch::Sender::new(false));
        assert!(readiness.missing().is_some_and(|m| m.contains("a, b")));
        readiness.follow("a", a.subscribe());
        readiness.clone().follow("b", b.subscribe());
        assert!(readiness.missing().is_some_and(|m| m.contains("of b are")));
        b.send_replace(true);
        assert_eq!(readiness.missing(), None);
    }
}
