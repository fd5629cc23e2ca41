//! How many cores this process may use, and what takes the others away: affinity, and a cgroup's quota.
//!
//! Pure but for two readings of Linux; where those are not, nothing is said about them.

use std::fs;
use std::path::Path;

/// What the system says of cores.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cores {
    /// Cores of the machine; 0 where that is not known.
    pub(super) machine: u32,
    /// Those that this process may use.
    pub(super) available: u32,
    /// Those that the scheduler lets it on.
    pub(super) affinity: Option<u32>,
    /// The cgroup's quota, in cores.
    pub(super) quota: Option<f64>,
}

impl Cores {
    pub(super) fn now(machine: u32, available: u32) -> Self {
        Self {
            machine,
            available,
            affinity: fs::read_to_string("/proc/self/status")
                .ok()
                .and_then(|text| affinity(&text)),
            quota: tightest_quota(),
        }
    }

    /// The cores as a person would say it.
    pub(super) fn text(&self) -> String {
        let used = match self.machine {
            0 => format!("{} may be used", self.available),
            machine => format!("{} of {machine} may be used", self.available),
        };
        let affinity = self.affinity.filter(|a| *a < self.machine);
        let parts = [
            Some(used),
            affinity.map(|cores| format!("affinity allows {cores}")),
            self.quota
                .map(|quota| format!("the cgroup's quota is {quota:.1} cores")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }

    /// Whether the quota stops processes that use all the cores they may.
    pub(super) fn is_throttled(&self) -> bool {
        self.quota
            .is_some_and(|quota| quota < f64::from(self.available) - 0.01)
    }
}

/// The count of `Cpus_allowed_list: 0-3,8` (proc(5)).
fn affinity(status: &str) -> Option<u32> {
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    allowed
        .trim()
        .split(',')
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            Some(last.checked_sub(first)? + 1)
        })
        .sum()
}

/// The least of the quotas on the way to this process' cgroup (version 2).
fn tightest_quota() -> Option<f64> {
    let group = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    root.join(path)
        .ancestors()
        .take_while(|place| place.starts_with(root))
        .filter_map(|place| quota(&fs::read_to_string(place.join("cpu.max")).ok()?))
        .reduce(f64::min)
}

/// Cores of `150000 100000`, a cgroup's cpu.max; none for `max`.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_and_quota_are_read_as_the_kernel_writes_them() {
        assert_eq!(affinity("Name:\tx\nCpus_allowed_list:\t0-3,8\n"), Some(5));
        assert_eq!(affinity("Cpus_allowed_list:\t1"), Some(1));
        assert_eq!(affinity("nothing"), None);
        assert_eq!(quota("150000 100000\n"), Some(1.5));
        assert_eq!(quota("max 100000\n"), None);
    }

    #[test]
    fn what_takes_cores_away_is_said() {
        let cores = Cores {
            machine: 8,
            available: 2,
            affinity: Some(4),
            quota: Some(1.5),
        };
        assert_eq!(
            cores.text(),
            "2 of 8 may be used, affinity allows 4, the cgroup's quota is 1.5 cores"
        );
        assert!(cores.is_throttled());
        let free = Cores {
            machine: 8,
            available: 8,
            affinity: Some(8),
            quota: None,
        };
        assert_eq!(free.text(), "8 of 8 may be used");
        assert!(!free.is_throttled());
    }
}
