//! A plan as text, made to be read in a pull request.

use super::{Plan, PlannedJob, step::Step};
use crate::policy::values::Duration;
use std::fmt::Write as _;

/// Renders a plan; every line ends in a newline and the text is the same on every machine.
pub fn text(plan: &Plan) -> String {
    text_with(plan, |_| String::new())
}

/// Renders a plan with some lines of its own, each with its end, below each step.
pub fn text_with(plan: &Plan, below: impl Fn(&Step) -> String) -> String {
    let mut out = String::new();
    let at = plan.at.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
    let _ = writeln!(out, "policy {} for {}{at}", plan.policy, plan.platform.as_str());
    let _ = writeln!(out, "digest {}", plan.digest);
    for job in &plan.jobs {
        let _ = writeln!(out);
        let _ = writeln!(out, "job {}: {}", job.job, settings(job).join(", "));
        for step in plan.steps.iter().filter(|step| step.job == job.job) {
            let _ = writeln!(out, "{}", line(step));
            out.push_str(&below(step));
        }
        for entry in plan.entries.iter().filter(|entry| entry.job == job.job) {
            let _ = writeln!(out, "      entry     {}: {}, {}", entry.backend, entry.file, entry.tier);
        }
    }
    out
}

/// A job's settings, each in a few words.
fn settings(job: &PlannedJob) -> Vec<String> {
    let span = |secs: u64| Duration::from_secs(secs).to_string();
    let mut words = vec![match &job.schedule {
        Some(cron) => format!("\"{cron}\" {}", job.timezone),
        None => "by hand".to_owned(),
    }];
    if job.jitter_secs > 0 {
        words.push(format!("jitter {}", span(job.jitter_secs)));
    }
    match job.catch_up.as_deref() {
        Some("never") => words.push("missed slots are lost".to_owned()),
        Some("until next") => words.push("missed slots catch up until the next".to_owned()),
        Some(window) => words.push(format!("missed slots catch up within {window}")),
        None => {}
    }
    words.extend(job.timeout_secs.map(|secs| format!("timeout {}", span(secs))));
    words.extend(job.rpo_secs.map(|secs| format!("rpo {}", span(secs))));
    if job.attempts > 1 {
        words.push(format!("{} attempts, {} apart", job.attempts, span(job.delay_secs)));
    }
    words
}

/// One step as one line, without its end.
pub fn line(step: &Step) -> String {
    format!("{:>4}  {:<8}  {}", step.n, step.kind(), step.summary())
}
