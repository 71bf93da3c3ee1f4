//! Which cluster is asked, as whom, and in which namespace: the options of `kubectl` that a plugin is given as its own.

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::life::cluster::no_cluster;
use super::output::Said;

/// Contexts that are offered where the one that was named is not there.
const NAMED: usize = 8;

/// Which cluster, as whom, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Place {
    /// The namespace of the cluster; the kubeconfig's own when not given.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Which cluster, and as whom.
    #[command(flatten)]
    pub access: Access,
}

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Access {
    /// The context of the kubeconfig; its current one when not given.
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,
    /// The kubeconfig; what KUBECONFIG names, or ~/.kube/config, when not given.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// Ask as this user, who may have fewer rights.
    #[arg(long = "as", value_name = "USER", help_heading = "Cluster")]
    pub user: Option<String>,
    /// Ask as a member of this group; repeatable.
    #[arg(long = "as-group", value_name = "GROUP", requires = "user", help_heading = "Cluster")]
    pub groups: Vec<String>,
}

impl Place {
    /// Whether anything is said of a cluster.
    pub fn is_named(&self) -> bool {
        *self != Self::default()
    }
}

impl Access {
    /// The way to the cluster. Outside of a pod, or where something is named, it is that of a kubeconfig.
    pub async fn config(&self) -> Result<kube::Config, Said> {
        let mut config = if self.context.is_none() && self.kubeconfig.is_none() {
            kube::Config::infer().await.map_err(|error| no_cluster(&error))?
        } else {
            self.named().await?
        };
        if self.user.is_some() {
            config.auth_info.impersonate.clone_from(&self.user);
            config.auth_info.impersonate_groups = Some(self.groups.clone()).filter(|groups| !groups.is_empty());
        }
        Ok(config)
    }

    async fn named(&self) -> Result<kube::Config, Said> {
        let file = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let file = file.map_err(|error| no_cluster(&error))?;
        if let Some(name) = self.context.as_ref().filter(|name| file.contexts.iter().all(|one| &one.name != *name)) {
            return Err(no_context(name, &file));
        }
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        kube::Config::from_custom_kubeconfig(file, &options).await.map_err(|error| no_cluster(&error))
    }

    /// The same as arguments of kubectl.
    pub fn flags(&self) -> Vec<String> {
        let kubeconfig = self.kubeconfig.as_ref().map(|path| format!("--kubeconfig={}", path.display()));
        let context = self.context.as_ref().map(|name| format!("--context={name}"));
        let user = self.user.as_ref().map(|user| format!("--as={user}"));
        let groups = self.groups.iter().map(|group| format!("--as-group={group}"));
        context.into_iter().chain(kubeconfig).chain(user).chain(groups).collect()
    }
}

/// The context that was named is not there.
fn no_context(name: &str, file: &Kubeconfig) -> Said {
    let mut all: Vec<&str> = file.contexts.iter().map(|context| context.name.as_str()).take(NAMED).collect();
    if file.contexts.len() > NAMED {
        all.push("…");
    }
    let (has, has_vi) = match all.join(", ") {
        none if none.is_empty() => ("has none".to_string(), "chưa có context nào".to_string()),
        all => (format!("has {all}"), format!("có {all}")),
    };
    Said::new(
        format!("the kubeconfig has no context '{name}'; it {has}"),
        format!("kubeconfig không có context '{name}'; trong tệp {has_vi}"),
    )
}
