//! A plan as text, made to be read in a pull request.

use super::{Plan, step::Step};
use std::fmt::Write as _;

/// Renders a plan; every line ends in a newline and the text is the same on every machine.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let at = plan.at.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
    let _ = writeln!(out, "policy {} for {}{at}", plan.policy, plan.platform.as_str());
    let _ = writeln!(out, "digest {}", plan.digest);
    for job in &plan.jobs {
        let _ = writeln!(out);
        let schedule = match &job.schedule {
            Some(cron) => format!("\"{cron}\" {}", job.timezone),
            None => "by hand".to_owned(),
        };
        let _ = write!(out, "job {}: {schedule}", job.job);
        if let Some(secs) = job.timeout_secs {
            let _ = write!(out, ", timeout {}", crate::policy::values::Duration::from_secs(secs));
        }
        if job.attempts > 1 {
            let delay = crate::policy::values::Duration::from_secs(job.delay_secs);
            let _ = write!(out, ", {} attempts, {delay} apart", job.attempts);
        }
        let _ = writeln!(out);
        for step in plan.steps.iter().filter(|step| step.job == job.job) {
            let _ = writeln!(out, "{}", line(step));
        }
    }
    out
}

/// One step as one line, without its end.
pub fn line(step: &Step) -> String {
    format!("{:>4}  {:<8}  {}", step.n, step.kind(), step.summary())
}
