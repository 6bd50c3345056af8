//! A real cron under a clock that runs fast: what `policy install` wrote runs through a change of the clock.

#![cfg(target_os = "linux")]

use crate::support::{Sandbox, is_root, skip};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

/// How many seconds of the clock pass in a second.
const SPEED: u32 = 400;

/// In a mount namespace with an `/etc`, a `/run` and a spool of its own: the policy is installed, the program in the
/// crontab replaced by one that goes by the same clock, and cron runs for a while. Its arguments: the folder, the program,
/// the start, the seconds.
const STORY: &str = r#"
set -eu
folder=$1 program=$2 start=$3 seconds=$4
cp -a /etc "$folder/etc"
rm -rf "$folder/etc/cron.d" "$folder/etc/crontab"
mkdir "$folder/etc/cron.d"
ln -sfn /usr/share/zoneinfo/America/New_York "$folder/etc/localtime"
echo America/New_York >"$folder/etc/timezone"
mount --bind "$folder/etc" /etc
mount -t tmpfs policy-test /run
mkdir -p "$folder/spool"
chgrp crontab "$folder/spool"
chmod 1730 "$folder/spool"
mount --bind "$folder/spool" /var/spool/cron/crontabs
"$program" install --backend cron >"$folder/installed" 2>&1
crontab -l | sed "s# $program # $folder/by-the-clock #" | crontab -
cat >"$folder/by-the-clock" <<END
#!/bin/sh
now=\$(awk -v real="\$(date +%s.%N)" -v began="\$(cat $folder/began)" 'BEGIN { printf "%d", $start + (real - began) * SPEED }')
POLICY_NOW=\$(date -u -d "@\$now" +%Y-%m-%dT%H:%M:%SZ) POLICY_MACHINE_ID=sandbox exec $program "\$@"
END
sed -i "s/SPEED/$5/" "$folder/by-the-clock"
chmod 755 "$folder/by-the-clock"
faked=$(TZ=America/New_York date -d "@$start" '+%Y-%m-%d %H:%M:%S')
date +%s.%N >"$folder/began"
TZ=America/New_York LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME="@$faked x$5" \
    timeout "$seconds" cron -f >"$folder/cron" 2>&1 || test $? = 124
sleep 1
crontab -l >"$folder/crontab"
"$program" uninstall >"$folder/uninstalled" 2>&1
! crontab -l 2>/dev/null
"#;

/// Runs a night's story; the slots of the backups of each job, in order.
fn slots(start: &str, jobs: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let has =
        |program: &str| ["/usr/sbin", "/usr/bin"].iter().any(|at| Path::new(at).join(program).is_file());
    let zones = Path::new("/usr/share/zoneinfo/America/New_York").is_file();
    if !(is_root() && has("cron") && has("crontab") && has("faketime") && has("unshare") && zones) {
        skip("a real cron under a faked clock, as root: cron, faketime, unshare, tzdata");
        return None;
    }
    let sandbox = Sandbox::with_policy(&format!(
        "\
version: 1
name: app
timezone: America/New_York
stores: {{local: ./store}}
targets: {{app: {{sqlite: app.db}}}}
jobs:
{jobs}"
    ));
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    let start = chrono::DateTime::parse_from_rfc3339(start).unwrap().timestamp().to_string();
    let folder = sandbox.root().join("story");
    std::fs::create_dir(&folder).unwrap();
    let mut command = sandbox.prepare(Path::new("/usr/bin/unshare"), &["-m", "sh", "-c", STORY, "story"]);
    command.arg(&folder).arg(env!("CARGO_BIN_EXE_policy")).args([&start, "26", &SPEED.to_string()]);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    let output = command.output().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let told = ["installed", "cron", "crontab", "uninstalled"].map(read).join("\n");
    assert!(output.status.success(), "{output:?}\n{told}");
    let mut slots = BTreeMap::new();
    for job in ["fixed", "often"] {
        let series = format!("store/app/{job}/app");
        let of = |stamp: &String| {
            sandbox.manifest(&format!("{series}/{stamp}"))["slot"].as_str().unwrap_or("by hand").to_owned()
        };
        slots.insert(job.to_owned(), sandbox.backups(&series).iter().map(of).collect::<Vec<_>>());
    }
    let log = Command::new("sh")
        .args(["-c", "cat \"$0\"/.local/state/policy/logs/*.log"])
        .arg(sandbox.home())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&log.stdout).contains("proven"), "{told}");
    Some(slots)
}

/// Every half hour from the first to the last, each once.
#[track_caller]
fn are_half_hours(slots: &[String], least: usize) {
    assert!(slots.len() >= least, "{slots:?}");
    let times: Vec<_> =
        slots.iter().map(|slot| chrono::DateTime::parse_from_rfc3339(slot).unwrap().timestamp()).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 1800), "{slots:?}");
}

#[test]
fn in_spring_a_time_that_the_clock_skips_runs_once_and_no_half_hour_is_lost() {
    let jobs = "  fixed: {schedule: \"30 2 * * *\", retention: {last: 99}}\n  often: {schedule: \"*/30 * * * *\", retention: {last: 99}}\n";
    let Some(slots) = slots("2026-03-08T06:25:00Z", jobs) else { return };
    // The night before was missed, and is made up for at the start.
    assert_eq!(slots["fixed"], ["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z"]);
    are_half_hours(&slots["often"], 4);
}

#[test]
fn in_autumn_a_time_that_comes_twice_runs_once_and_every_real_half_hour_runs() {
    let jobs = "  fixed: {schedule: \"30 1 * * *\", retention: {last: 99}}\n  often: {schedule: \"*/30 * * * *\", retention: {last: 99}}\n";
    let Some(slots) = slots("2026-11-01T04:25:00Z", jobs) else { return };
    assert_eq!(slots["fixed"], ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z"]);
    are_half_hours(&slots["often"], 4);
}
