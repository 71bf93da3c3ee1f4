//! Everything of one kind, page by page: for programs that look once and must not overlook anything.

use kube::api::ListParams;
use kube::core::ObjectList;

/// Objects that are asked for at once.
const PAGE: u32 = 500;
/// Pages that are asked for at most.
const PAGES: usize = 2000;

/// Why not everything was read.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// The API server refused, or did not answer.
    #[error(transparent)]
    Refused(#[from] kube::Error),
    /// There is more than anybody has.
    #[error("there are more than {} objects of one kind", PAGES * PAGE as usize)]
    TooMany,
}

/// Every object of which `page` gives a part.
pub async fn every<K, F>(page: impl Fn(ListParams) -> F) -> Result<Vec<K>, Incomplete>
where
    K: Clone,
    F: Future<Output = Result<ObjectList<K>, kube::Error>>,
{
    let mut parameters = ListParams::default().limit(PAGE);
    let mut all = Vec::new();
    for _ in 0..PAGES {
        let list = page(parameters.clone()).await?;
        all.extend(list.items);
        parameters.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
        if parameters.continue_token.is_none() {
            return Ok(all);
        }
    }
    Err(Incomplete::TooMany)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn list(count: usize, next: Option<&str>) -> ObjectList<ConfigMap> {
        let items = vec![serde_json::json!({"metadata": {"name": "a"}}); count];
        serde_json::from_value(serde_json::json!({"apiVersion": "v1", "kind": "ConfigMapList",
            "metadata": {"continue": next}, "items": items}))
        .unwrap()
    }

    #[tokio::test]
    async fn every_page_is_read_and_an_endless_list_is_an_error() {
        let pages = |parameters: ListParams| async move {
            Ok(match parameters.continue_token.as_deref() {
                None => list(2, Some("b")),
                Some("b") => list(3, Some("c")),
                _ => list(1, None),
            })
        };
        assert_eq!(every(pages).await.unwrap().len(), 6);
        let endless = |_| async { Ok(list(0, Some("again"))) };
        assert!(matches!(every::<ConfigMap, _>(endless).await, Err(Incomplete::TooMany)));
    }
}
