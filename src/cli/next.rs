//! `next`: the next fire times.

use super::{
    args::{Next, Scheduler},
    error::CliError,
    install::chosen,
    output,
    session::{Session, select},
};
use crate::plan::rfc3339;
use chrono::SecondsFormat;
use schemars::JsonSchema;
use serde::Serialize;

/// One fire time, as `next --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Fire {
    /// The policy's name.
    policy: String,
    /// The job's name.
    job: String,
    /// The time in the policy's zone, RFC 3339 with its offset.
    local: String,
    /// The same instant in UTC.
    utc: String,
    /// What a clock change does to it, and what the scheduler makes of that; `null` when nothing.
    note: Option<String>,
}

pub(crate) fn next(session: &Session, args: &Next) -> Result<u8, CliError> {
    let policies = session.policies()?;
    let now = session.host.now();
    let mut fires = Vec::new();
    let mut by_hand = Vec::new();
    for (policy, selection) in select(&policies, &args.jobs)? {
        let zone = policy.timezone();
        let backend = args.backend.and_then(Scheduler::backend).or_else(|| chosen(policy));
        for job in policy.jobs().values().filter(|job| selection.takes_job(&job.name)) {
            let Some(schedule) = &job.schedule else {
                by_hand.push(format!("{}/{}", policy.name(), job.name.value));
                continue;
            };
            fires.extend(schedule.cron.fires_after(now, zone).take(args.count as usize).map(|fire| Fire {
                policy: policy.name().to_string(),
                job: job.name.to_string(),
                local: fire.utc.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false),
                utc: rfc3339(fire.utc),
                note: fire.note.map(|note| match backend.and_then(|backend| backend.way_with(note)) {
                    Some(way) => format!("{note}; {way}"),
                    None => note.to_string(),
                }),
            }));
        }
    }
    if session.global.json {
        return output::print_json(&fires);
    }
    let rows: Vec<_> = fires
        .into_iter()
        .map(|fire| {
            vec![format!("{}/{}", fire.policy, fire.job), fire.local, fire.utc, fire.note.unwrap_or_default()]
        })
        .chain(by_hand.into_iter().map(|job| vec![job, "runs by hand".to_owned()]))
        .collect();
    output::print(&output::table(&rows))
}
