//! How the schedules reach a host, as it is written.

use super::{
    leaf::{parsed, unknown_word},
    patch::Patch,
    read::{Read, Reader},
    shapes::{Map, document},
};
use crate::policy::{
    Spanned,
    model::{BackendChoice, Dispatcher, PathTemplate, ScopeOf},
    problem::{Code, Problem},
    yaml::Node,
};

document! {
    /// How the schedules reach a host.
    #[schemars(extend("allOf" = [
        {
            "if": { "required": ["user"] },
            "then": { "required": ["scope"], "properties": { "scope": { "const": "system" } } }
        },
        {
            "if": { "required": ["backend"], "properties": { "backend": { "const": "kubernetes" } } },
            "then": { "required": ["kubernetes"] }
        }
    ]))]
    InstallDocument = "{backend: systemd}" {
        /// Which scheduler gets the entries.
        #[schemars(extend("default" = "auto"))]
        backend: Spanned<BackendChoice>,
        /// Whose entries they are: `user`, those of the user who installs them; `system`, those of the host. Then no path of
        /// the policy may begin with `~`.
        #[schemars(extend("default" = "user"))]
        scope: Spanned<ScopeOf>,
        /// The user that entries of the host run as. Without it: root, or SYSTEM on Windows.
        #[schemars(regex(pattern = r"^[^\s:/-][^\s:/]*$"), extend("examples" = ["backup"]))]
        user: Spanned<String>,
        /// Folders that are added to the PATH of the entries, so that they find what a terminal finds.
        #[schemars(length(min = 1), extend("examples" = [["/opt/homebrew/bin"]]))]
        #[schemars(extend("items" = {
            "allOf": [{ "$ref": "#/definitions/Path" }],
            "pattern": r"^((~(/|$)|/|(?=\$\{))([^:$]|\$(?!\{)|\$\{(?!PATH[:}])[^}]*\})*|[A-Za-z]:[\\/][^;]*|\\\\.*)$"
        }))]
        search_path: Vec<Spanned<PathTemplate>>,
        /// The folder for what entries print. Without it: the scheduler's own journal, where it has one.
        #[schemars(extend("examples" = ["~/Library/Logs/policy"]))]
        log_dir: Spanned<PathTemplate>,
        /// What is done where a scheduler cannot say a schedule: `native`, it starts more often, and does nothing when
        /// nothing is due; `minute`, it starts every minute.
        #[schemars(extend("default" = "native"))]
        dispatcher: Spanned<Dispatcher>,
        /// How the entries of a Kubernetes cluster are made.
        kubernetes: Box<KubernetesDocument>,
    }
}

document! {
    /// How the entries of a Kubernetes cluster are made: a `CronJob` for each job that has a schedule.
    KubernetesDocument = "{image: \"registry.example.org/policy:1\"}" {
        /// The namespace. Without it: that of the context `kubectl` uses.
        #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), extend("examples" = ["backups"]))]
        namespace: Spanned<String>,
        /// The image that holds this program.
        #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$"), extend("not" = { "pattern": "://" }))]
        #[schemars(extend("examples" = ["registry.example.org/policy:1"]))]
        image [required = "image: \"registry.example.org/policy:1\""]: Spanned<String>,
        /// The service account of the pods. Without it: `default`.
        #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"), length(max = 253))]
        #[schemars(extend("examples" = ["policy"]))]
        service_account: Spanned<String>,
        /// Names of Secrets whose entries become environment variables of the pods.
        #[schemars(length(min = 1), extend("examples" = [["policy-env"]]))]
        #[schemars(inner(regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"), length(max = 253)))]
        env_from: Vec<Spanned<String>>,
        /// Where the state of this program is kept from one pod to the next.
        state: ClaimDocument,
        /// What is mounted into the pods, by absolute path: the sources and the stores.
        #[schemars(extend("propertyNames" = { "pattern": r"^/+[^/:]((?!(/|^)\.\.(/|$))[^:])*$" }))]
        #[schemars(extend("examples" = [{ "/srv/app": { "claim": "app-data", "read_only": true } }]))]
        mounts: Map<MountDocument>,
        /// Any part of a `CronJob`, merged into each as a JSON Merge Patch (RFC 7386): `null` takes a key away.
        patch: Box<Patch>,
    }
}

document! {
    /// A volume, by the name of its claim.
    ClaimDocument = "{claim: policy-state}" {
        /// The name of the `PersistentVolumeClaim`.
        #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"), length(max = 253))]
        #[schemars(extend("examples" = ["policy-state"]))]
        claim [required = "claim: policy-state"]: Spanned<String>,
    }
}

document! {
    /// A volume that is mounted into the pods, by the name of its claim.
    MountDocument = "{claim: app-data, read_only: true}" {
        /// The name of the `PersistentVolumeClaim`.
        #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"), length(max = 253))]
        #[schemars(extend("examples" = ["app-data"]))]
        claim [required = "claim: app-data"]: Spanned<String>,
        /// Whether nothing may be written to it.
        #[schemars(extend("default" = false))]
        read_only: Spanned<bool>,
    }
}

impl Read for Spanned<BackendChoice> {
    const WHAT: &'static str = "a scheduler";
    const EXAMPLE: &'static str = "systemd";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        parsed(node, reader, Self::WHAT, Self::EXAMPLE, BackendChoice::parse, |text| {
            let known = BackendChoice::ALL.map(BackendChoice::as_str);
            let meant = match text.to_ascii_lowercase().as_str() {
                "systemd-timer" | "systemd-timers" | "timer" | "timers" | "systemctl" => "systemd",
                "crontab" | "crond" | "cronie" | "cron.d" | "anacron" => "cron",
                "launchctl" | "launchagent" | "launch-agent" | "launchdaemon" | "plist" | "macos" => {
                    "launchd"
                }
                "schtasks" | "taskschd" | "taskscheduler" | "windows" => "task-scheduler",
                "k8s" | "cronjob" | "kubectl" => "kubernetes",
                "daemon" | "off" | "no" | "manual" | "disabled" => "none",
                "default" | "detect" => "auto",
                _ => return unknown_word(text, Self::WHAT, known),
            };
            let message = format!("`{text}` is not the name of a scheduler here");
            Problem::error(Code::UnknownWord, message, format!("write `{meant}`"))
        })
    }
}

impl Read for Spanned<ScopeOf> {
    const WHAT: &'static str = "`user` or `system`";
    const EXAMPLE: &'static str = "system";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let problem = |text: &str| match text {
            "root" | "host" | "global" | "machine" | "admin" => {
                let message = format!("`{text}` is not {}", Self::WHAT);
                Problem::error(Code::UnknownWord, message, "write `system`")
            }
            _ => unknown_word(text, Self::WHAT, ["user", "system"]),
        };
        parsed(node, reader, Self::WHAT, Self::EXAMPLE, ScopeOf::parse, problem)
    }
}

impl Read for Spanned<Dispatcher> {
    const WHAT: &'static str = "`native` or `minute`";
    const EXAMPLE: &'static str = "minute";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let problem = |text: &str| unknown_word(text, Self::WHAT, ["native", "minute"]);
        parsed(node, reader, Self::WHAT, Self::EXAMPLE, Dispatcher::parse, problem)
    }
}
