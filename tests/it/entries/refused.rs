//! What a scheduler cannot say is refused, with the key and the way out.

use chrono_tz::{Asia::Kathmandu, Australia::Lord_Howe, Tz};
use policy::{
    policy::values::Duration,
    schedule::{
        CatchUp,
        entry::{Scope, Tier},
        render::{NO_HASH, Refusal, Rendered, kubernetes, launchd, task_scheduler},
    },
};

use super::{cluster, context, entry};

fn shown(rendered: Result<Rendered, Refusal>) -> String {
    rendered.map_or_else(|refusal| format!("{refusal}; {}", refusal.help), |_| "rendered".to_owned())
}

#[test]
fn every_minute_is_a_tick_only_where_it_is_asked_for() {
    let mut context = context(Tz::UTC);
    let entry_of_hours = entry("* 9-17 * * 1-5", Tz::UTC);
    assert_eq!(
        shown(task_scheduler::render(&entry_of_hours, &context)),
        "prod/nightly: task-scheduler cannot say `schedule`: `* 9-17 * * 1-5` needs more than 48 triggers, and with fewer \
         would be every minute; write `dispatcher: minute` in `install`, or name fewer minutes, such as `*/5`"
    );
    assert_eq!(launchd::render(&entry_of_hours, &context).unwrap().tier, Tier::Superset);
    context.host_zone = Kathmandu;
    let entry_of_minutes = entry("1-59 * * * *", Lord_Howe);
    assert_eq!(
        shown(launchd::render(&entry_of_minutes, &context)),
        "prod/nightly: launchd cannot say `schedule`: by the clock of Asia/Kathmandu `1-59 * * * *` is every minute; \
         write `dispatcher: minute` in `install`, or name fewer minutes, such as `*/5`"
    );
    context.may_tick = true;
    assert_eq!(launchd::render(&entry_of_minutes, &context).unwrap().tier, Tier::Tick);
    assert_eq!(task_scheduler::render(&entry_of_hours, &context).unwrap().tier, Tier::Tick);
    let every = entry("* * * * *", Lord_Howe);
    assert_eq!(launchd::render(&every, &context).unwrap().tier, Tier::Superset);
    assert_eq!(task_scheduler::render(&entry("* * * * *", Kathmandu), &context).unwrap().tier, Tier::Exact);
}

#[test]
fn a_task_refuses_what_windows_would_replace_or_cut() {
    let context = context(Tz::UTC);
    let refused = |argv: &[&str]| {
        let mut entry = entry("30 2 * * *", Tz::UTC);
        entry.argv = super::words(argv);
        let shown = shown(task_scheduler::render(&entry, &context));
        shown.strip_prefix("prod/nightly: task-scheduler cannot say `install`: ").unwrap_or(&shown).to_owned()
    };
    assert_eq!(refused(&[r"C:\policy.exe", "100%"]), "rendered");
    for (argv, reason) in [
        (&["policy", r"C:\%TEMP%\p.yaml"][..], r"the scheduler would replace a part of `C:\%TEMP%\p.yaml`"),
        (&["policy", "$(Arg0)"], "the scheduler would replace a part of `$(Arg0)`"),
        (&["a\"b"], "`a\"b` is no path of a program"),
        (&[&*"x".repeat(261)], "the program's path has 261 characters, and may have 260"),
        (&["policy", &*"x".repeat(33_000)], "the command line is longer than Windows takes"),
        (&["policy", "\u{ffff}"], "`\u{ffff}` holds a character that Unicode reserves"),
        (&["policy", NO_HASH], &*format!("`{}` holds 64 zeros in a row", &NO_HASH[..60])),
    ] {
        assert!(refused(argv).starts_with(reason), "{}", refused(argv));
    }
}

#[test]
fn a_cron_job_refuses_names_places_and_patches_that_the_cluster_would() {
    type Change = fn(&mut kubernetes::KubernetesSpec);
    let mount = |spec: &mut kubernetes::KubernetesSpec, path: &str| {
        let mount = kubernetes::Mount { claim: "c".to_owned(), read_only: false };
        spec.mounts.insert(path.to_owned(), mount);
    };
    let patched = |text: &str| {
        let mut spec = cluster();
        spec.patch = serde_yaml::from_str(text).unwrap();
        spec
    };
    let changed = |change: Change| {
        let mut spec = cluster();
        change(&mut spec);
        spec
    };
    let mounted = |path| {
        let mut spec = cluster();
        mount(&mut spec, path);
        spec
    };
    for (spec, wanted) in [
        (
            changed(|spec| spec.namespace = Some("Backups".into())),
            "namespace`: `Backups` is no name of a namespace",
        ),
        (changed(|spec| spec.image.clear()), "image`: `` is no reference of an image"),
        (changed(|spec| spec.service_account = Some("a_b".into())), "service_account`: `a_b` is no name"),
        (changed(|spec| spec.env_from = vec!["-a".into()]), "env_from`: `-a` is no name"),
        (changed(|spec| spec.state_claim = Some("a..b".into())), "state`: `a..b` is no name"),
        (
            changed(|spec| spec.policy_file_name = "a b.yaml".into()),
            "`name`: `a b.yaml` is no key of a ConfigMap",
        ),
        (changed(|spec| spec.policy_text = "x".repeat(2_000_000)), "the policy has 2000000 bytes"),
        (changed(|spec| spec.policy_text = NO_HASH.into()), "holds 64 zeros in a row"),
        (mounted("srv"), "mounts`: `srv` is not absolute"),
        (mounted("/"), "mounts`: `/` is no plain path"),
        (mounted("/srv/../etc"), "mounts`: `/srv/../etc` is no plain path"),
        (mounted("/tmp"), "mounts`: `/tmp` is taken by the entry itself"),
        (patched("spec: {schedule: '* * * * *'}"), "patch`: it changes `spec.schedule`"),
        (
            patched("metadata: {annotations: null}"),
            "patch`: it changes `metadata.annotations.policy.dev/hash`",
        ),
        (patched("metadata: {annotations: {policy.dev/job: x}}"), "rendered"),
        (patched("spec: {suspend: true, jobTemplate: {spec: {ttlSecondsAfterFinished: null}}}"), "rendered"),
        (
            patched("spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: policy}]}}}}}"),
            "patch`: it loses the container `policy` with its image and command",
        ),
    ] {
        let shown = shown(kubernetes::render(&entry("30 2 * * *", Tz::UTC), &context(Tz::UTC), &spec));
        assert!(shown.contains(wanted), "{shown}");
    }
}

#[test]
fn what_a_person_should_know_is_said() {
    let mut context = context(Tz::Europe__Berlin);
    let mut entry = entry("30 2 * * *", Tz::Europe__Berlin);
    let skipped = "the clock of Europe/Berlin skips 2026-03-29 02:30:00";
    for warnings in [
        launchd::render(&entry, &context).unwrap().warnings,
        task_scheduler::render(&entry, &context).unwrap().warnings,
    ] {
        assert!(warnings.iter().any(|warning| warning.starts_with(skipped)), "{warnings:?}");
    }
    // What the controller skips is added: the first instant after, on all days, of which the guard takes one.
    let rendered = kubernetes::render(&entry, &context, &cluster()).unwrap();
    assert_eq!(rendered.tier, Tier::Superset);
    let text = String::from_utf8(rendered.files[0].bytes.clone()).unwrap();
    assert!(text.contains("schedule: 0,30 2,3 * * *\n"), "{text}");
    let outside = kubernetes::render(&super::entry("30 4 * * *", Tz::Europe__Berlin), &context, &cluster());
    assert_eq!(outside.unwrap().tier, Tier::Exact);
    context.scope = Scope::System;
    entry.schedule.cron = policy::schedule::calendar::Expression::parse("*/5 4 * * *").unwrap();
    entry.schedule.catch_up = CatchUp::Within(Duration::from_secs(86_400));
    assert_eq!(launchd::render(&entry, &context).unwrap().warnings, Vec::<String>::new());
    let mut spec = cluster();
    spec.state_claim = None;
    let warnings = kubernetes::render(&entry, &context, &spec).unwrap().warnings;
    assert!(warnings[0].starts_with("without `state` the state is lost with each pod"), "{warnings:?}");
    assert!(warnings[1].ends_with("it starts no Job later than 29400 seconds"), "{warnings:?}");
}
