//! The words of schedulers, by the mapping they are written in: systemd, cron, launchd, the Task Scheduler, Kubernetes.

use super::words::NO_PRIORITY;

pub(super) fn of_install(key: &str) -> Option<&'static str> {
    Some(match key {
        "systemd" | "systemd_timer" | "timer" | "timers" | "scheduler" | "type" | "kind" | "method"
        | "provider" | "platform" => "write `backend: systemd`",
        "cron" | "crontab" => "write `backend: cron`",
        "launchd" | "launchctl" | "plist" => "write `backend: launchd`",
        "windows" | "task_scheduler" | "schtasks" => "write `backend: task-scheduler`",
        "k8s" => "write `backend: kubernetes`, and `kubernetes: {image: \"registry.example.org/policy:1\"}`",
        "enabled" | "disabled" | "enable" => {
            "remove it: `install` and `uninstall` are commands; for no entry write `backend: none`"
        }
        "linger" | "enable_linger" | "loginctl" => {
            "remove it: entries of a user run while that user is logged in, or lingers; `scope: system` runs always"
        }
        "cron_user" | "run_as" | "runas" | "username" | "owner" | "account" | "uid" => {
            "write `user: backup` with `scope: system`"
        }
        "root" | "sudo" | "system" | "global" | "permission" | "schedule_permission" | "permissions" => {
            "write `scope: system`"
        }
        "schedule"
        | "schedules"
        | "oncalendar"
        | "on_calendar"
        | "startcalendarinterval"
        | "start_calendar_interval"
        | "startinterval"
        | "every"
        | "at"
        | "time" => "when a job runs stands in the job: `schedule: \"30 3 * * *\"`",
        "timezone" | "tz" | "cron_tz" => {
            "write `timezone` at the top of the policy: one zone holds for all its jobs"
        }
        "jitter" | "randomizeddelaysec" | "randomized_delay" | "random_delay" | "splay" => {
            "write it in a job's schedule: `schedule: {cron: \"30 3 * * *\", jitter: 10m}`"
        }
        "persistent"
        | "catch_up"
        | "catchup"
        | "runatload"
        | "run_at_load"
        | "startwhenavailable"
        | "start_when_available"
        | "anacron" => "write it in a job's schedule: `schedule: {cron: \"30 3 * * *\", catch_up: true}`",
        "waketorun" | "wake_to_run" | "wakesystem" | "wake" => {
            "remove it: a start that is missed while the machine sleeps is made up for when it wakes"
        }
        "timeout" | "timeoutstartsec" | "executiontimelimit" => {
            "write `timeout: 1h` in a job, or in `defaults`"
        }
        "path" | "paths" | "env_path" | "bin" => {
            "write `search_path: [/opt/homebrew/bin]`, the folders that are missing"
        }
        "env"
        | "environment"
        | "environmentfile"
        | "environment_file"
        | "env_file"
        | "env_files"
        | "environmentvariables"
        | "variables" => {
            "write `env_files: [../.env]` at the top of the policy: terminal and schedule then see the same"
        }
        "log" | "logs" | "log_file" | "logfile" | "log_path" | "standardoutpath" | "standarderrorpath"
        | "standard_output" | "schedule_log" | "output" => "write `log_dir: ~/log`, a folder",
        "mailto" | "mail" | "notify" | "on_failure" | "onfailure" => {
            "remove it: this version of the program notifies nobody by itself; call your program in a job's `after`"
        }
        "working_directory" | "workingdirectory" | "cwd" | "chdir" => {
            "remove it: relative paths belong to the policy file's folder"
        }
        "tick" | "minute" | "interval" | "every_minute" => "write `dispatcher: minute`",
        "nice" | "ionice" | "priority" | "schedule_priority" | "ioschedulingclass" => NO_PRIORITY,
        "namespace" | "image" | "service_account" | "env_from" | "state" | "mounts" | "patch" => {
            "write it inside `kubernetes: {…}`"
        }
        _ => return None,
    })
}

pub(super) fn of_kubernetes(key: &str) -> Option<&'static str> {
    Some(match key {
        "serviceaccount" | "serviceaccountname" | "service_account_name" => "write `service_account: policy`",
        "envfrom" | "secrets" | "secret" | "secretref" | "configmap" | "env_secret" => {
            "write `env_from: [policy-env]`, the names of Secrets"
        }
        "volumes" | "volume" | "volumemounts" | "volume_mounts" | "claims" | "pvc" => {
            "write `mounts: {/srv/app: {claim: app-data}}`, and for this program's own `state: {claim: policy-state}`"
        }
        "state_dir" | "statedir" | "claim" => "write `state: {claim: policy-state}`",
        "schedule" | "cron" => "when a job runs stands in the job: `schedule: \"30 3 * * *\"`",
        "timezone" | "time_zone" => {
            "write `timezone` at the top of the policy: one zone holds for all its jobs"
        }
        "env"
        | "resources"
        | "nodeselector"
        | "node_selector"
        | "tolerations"
        | "affinity"
        | "securitycontext"
        | "security_context"
        | "imagepullpolicy"
        | "image_pull_policy"
        | "imagepullsecrets"
        | "image_pull_secrets"
        | "labels"
        | "annotations"
        | "metadata"
        | "spec"
        | "priorityclassname"
        | "backofflimit"
        | "ttlsecondsafterfinished"
        | "concurrencypolicy"
        | "suspend" => "write it in `patch`, where it stands in a CronJob: `patch: {spec: {…}}`",
        "context" | "kubeconfig" | "cluster" => {
            "remove it: `kubectl` knows the cluster, from its own configuration"
        }
        "registry" | "tag" | "version" | "repository" => {
            "write it in the image: `image: \"registry.example.org/policy:1\"`"
        }
        "name" => "remove it: an entry is called after policy and job",
        _ => return None,
    })
}

pub(super) fn of_claim(mapping: &str, key: &str) -> Option<&'static str> {
    Some(match key {
        "name" | "pvc" | "claimname" | "claim_name" | "persistentvolumeclaim" | "volume" => {
            "write `claim: app-data`"
        }
        "readonly" | "ro" | "mode" if mapping == "MountDocument" => "write `read_only: true`",
        "read_only" | "readonly" if mapping == "ClaimDocument" => {
            "remove it: this program writes its state there"
        }
        "path" | "mountpath" | "mount_path" | "mount" if mapping == "MountDocument" => {
            "the path is the key: `mounts: {/srv/app: {claim: app-data}}`"
        }
        "path" | "mountpath" | "mount_path" | "mount" => {
            "remove it: this program knows where its state lies in a pod"
        }
        "subpath" | "sub_path" | "hostpath" | "host_path" | "emptydir" | "nfs" => {
            "remove it: only claims are mounted; write what else there is in `patch`"
        }
        _ => return None,
    })
}
