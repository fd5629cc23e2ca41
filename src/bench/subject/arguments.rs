//! What was chosen, as the flags by which the command line says it. No secret leaves here unmasked.

use super::{NOISE_THRESHOLD, Subject, What};
use crate::bench::guard::GuardMode;
use crate::config::mask_secrets;

impl Subject {
    /// The arguments by which the headless command does the same, secrets masked.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = match &self.what {
            What::Profile(name) => vec!["--profile".to_owned(), name.clone()],
            What::Pipeline(path) => vec!["--pipeline".to_owned(), path.display().to_string()],
        };
        let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        if let Some((source, destination)) = &self.urls {
            flag("--source-url", mask_secrets(source.reveal()));
            flag("--dest-url", mask_secrets(destination.reveal()));
        }
        if let Some(rows) = self.rows {
            flag("--rows", rows.to_string());
        }
        if let Some(iters) = self.iters {
            flag("--iters", iters.to_string());
        }
        if let Some(warmup) = self.warmup {
            flag("--warmup", warmup.to_string());
        }
        if let Some(label) = &self.label {
            flag("--label", label.clone());
        }
        if let Some(seed) = self.seed {
            flag("--seed", seed.to_string());
        }
        if (self.noise_threshold - NOISE_THRESHOLD).abs() > f64::EPSILON {
            flag("--noise-threshold", self.noise_threshold.to_string());
        }
        if self.guard != GuardMode::Warn {
            flag("--guard", self.guard.name().to_owned());
        }
        if self.both_arms {
            for setting in &self.before {
                flag("--before", mask_secrets(setting));
            }
            for metric in &self.gates.metrics {
                flag("--gate", metric.name().to_owned());
            }
            if let Some(program) = &self.before_bin {
                flag("--before-bin", program.display().to_string());
            }
        } else {
            flag("--arms", "one".to_owned());
        }
        if let Some(program) = &self.after_bin {
            flag("--after-bin", program.display().to_string());
        }
        for setting in &self.after {
            flag("--after", mask_secrets(setting));
        }
        if let (Some(dir), true) = (&self.cluster.cluster_dir, self.is_managed()) {
            flag("--cluster-dir", dir.display().to_string());
        }
        if let (Some(bin), true) = (&self.cluster.pg_bin, self.is_managed()) {
            flag("--pg-bin", bin.display().to_string());
        }
        let words = [
            ("--until-resolved", self.both_arms && self.until_resolved),
            (
                "--fail-on-regression",
                self.both_arms && self.gates.fail_on_regression,
            ),
            (
                "--require-conclusive",
                self.both_arms && self.gates.require_conclusive,
            ),
            ("--in-place", self.in_place),
        ];
        let given = words.iter().filter(|(_, is_given)| *is_given);
        arguments.extend(given.map(|(word, _)| (*word).to_owned()));
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::subject::Gates;
    use crate::config::types::Secret;

    #[test]
    fn a_password_is_in_no_argument() {
        let mut subject = Subject::of_profile("small");
        let url = |host| Secret::new(format!("postgres://me:hunter2@{host}/x"));
        subject.urls = Some((url("a"), url("b")));
        subject.after = vec!["destination.config.password=hunter2".into()];
        assert!(!subject.arguments().join(" ").contains("hunter2"));
    }

    #[test]
    fn what_has_no_effect_with_one_arm_is_not_said() {
        let mut subject = Subject::of_profile("small");
        subject.before_bin = Some("old".into());
        subject.until_resolved = true;
        subject.gates = Gates {
            fail_on_regression: true,
            ..Gates::default()
        };
        assert_eq!(
            subject.arguments().join(" "),
            "--profile small --before-bin old --until-resolved --fail-on-regression"
        );
        subject.both_arms = false;
        assert_eq!(subject.arguments().join(" "), "--profile small --arms one");
    }
}
