//! Environment and command line of a container.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};
use kube::{Client, ResourceExt};

use super::{
    image::Image,
    network::GATEWAY,
    volumes::{Data, config_map, secret},
};
use crate::plan::Ports;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Value of a field of the pod.
pub fn field(pod: &Pod, address: &str, path: &str) -> Result<String> {
    let spec = pod.spec.as_ref();
    let value = match path {
        "metadata.name" => Some(pod.name_any()),
        "metadata.namespace" => pod.namespace(),
        "metadata.uid" => pod.uid(),
        "status.podIP" | "status.podIPs" => Some(address.to_owned()),
        "status.hostIP" | "status.hostIPs" => Some(GATEWAY.to_owned()),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        _ => {
            let key = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']");
            let label = key("metadata.labels['").and_then(|key| pod.labels().get(key));
            let note = key("metadata.annotations['").and_then(|key| pod.annotations().get(key));
            ensure!(
                key("metadata.labels['").or(key("metadata.annotations['")).is_some(),
                "field {path} is none that the pod runner knows"
            );
            label.or(note).cloned()
        }
    };
    Ok(value.unwrap_or_default())
}

/// The environment of a container, with the references in it resolved.
pub async fn environment(
    client: &Client,
    pod: &Pod,
    address: &str,
    container: &Container,
    image: &Image,
) -> Result<BTreeMap<String, String>> {
    let namespace = pod.namespace().unwrap_or_default();
    let mut all = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOSTNAME".to_owned(), pod.name_any()),
        ("KUBERNETES_SERVICE_HOST".to_owned(), GATEWAY.to_owned()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), Ports::USUAL.api.to_string()),
    ]);
    for variable in &image.environment {
        if let Some((name, value)) = variable.split_once('=') {
            all.insert(name.to_owned(), value.to_owned());
        }
    }
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let mut data = Data::new();
        if let Some(map) = &source.config_map_ref {
            data = config_map(client, &namespace, &map.name).await?.unwrap_or_default();
        } else if let Some(from) = &source.secret_ref {
            data = secret(client, &namespace, &from.name).await?.unwrap_or_default();
        }
        for (key, value) in data {
            let value = String::from_utf8_lossy(&value).into_owned();
            all.insert(format!("{prefix}{key}"), value);
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => Some(expand(variable.value.as_deref().unwrap_or_default(), &all)),
            Some(source) => {
                referenced(client, pod, address, source).await.with_context(|| format!("variable {}", variable.name))?
            }
        };
        if let Some(value) = value {
            all.insert(variable.name.clone(), value);
        }
    }
    Ok(all)
}

async fn referenced(client: &Client, pod: &Pod, address: &str, source: &EnvVarSource) -> Result<Option<String>> {
    let namespace = pod.namespace().unwrap_or_default();
    let (data, key, optional) = if let Some(reference) = &source.field_ref {
        return field(pod, address, &reference.field_path).map(Some);
    } else if let Some(from) = &source.secret_key_ref {
        let data = secret(client, &namespace, &from.name).await?;
        (data, &from.key, from.optional)
    } else if let Some(from) = &source.config_map_key_ref {
        let data = config_map(client, &namespace, &from.name).await?;
        (data, &from.key, from.optional)
    } else {
        anyhow::bail!("a source of a kind that the pod runner does not know");
    };
    let value = data.unwrap_or_default().remove(key);
    ensure!(value.is_some() || optional == Some(true), "the object or its key {key} is not there");
    Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

/// Replaces `$(NAME)` by the variable, if there is one; `$$` stands for `$`.
pub fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let reference = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match reference.and_then(|(name, after)| Some((variables.get(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

/// Command and arguments of a container: its own before the image's.
pub fn command(container: &Container, image: &Image, variables: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let own = |list: &Option<Vec<String>>| {
        let list = list.iter().flatten();
        list.map(|text| expand(text, variables)).collect::<Vec<_>>()
    };
    let (command, arguments) = (own(&container.command), own(&container.args));
    let all = match (command.is_empty(), arguments.is_empty()) {
        (true, true) => [image.entrypoint.clone(), image.arguments.clone()].concat(),
        (true, false) => [image.entrypoint.clone(), arguments].concat(),
        (false, _) => [command, arguments].concat(),
    };
    ensure!(!all.is_empty(), "neither container nor image has a command");
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded() {
        let variables = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let expanded = expand("$(A) $$(A) $(B) $A & wait $!", &variables);
        assert_eq!(expanded, "1 $(A) $(B) $A & wait $!");
    }
}
