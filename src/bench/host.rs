//! This machine: what it is, how busy its cores were, and what took time away from it.
//!
//! Readings of Linux's /proc and the cgroup; where those are not, the answer is "unknown", never a
//! guess.

use std::fs;
use std::path::Path;

use sysinfo::System;

use super::artifact::HostRecord;
use crate::parallelism::available_cores;

/// What this machine is.
#[must_use]
pub fn describe() -> HostRecord {
    HostRecord {
        name: System::host_name().ok(),
        os: System::long_os_version().ok(),
        kernel: System::kernel_version().ok(),
        cpu: cpu_model(),
        cores: fs::read_to_string("/proc/stat").map_or(0, |text| cores(&text).len() as u32),
        available_cores: available_cores(),
        memory_bytes: System::new().map_or(0, |mut system| {
            system.refresh_memory();
            system.total_memory()
        }),
    }
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// CPU time of one core or of all, in clock ticks since the start of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    steal: u64,
    total: u64,
}

impl Ticks {
    fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(earlier.busy),
            steal: self.steal.saturating_sub(earlier.steal),
            total: self.total.saturating_sub(earlier.total),
        }
    }

    fn busy_share(self) -> f64 {
        share(self.busy, self.total)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// A reading of the machine's clocks, to be compared with a later one.
#[derive(Debug, Clone, Default)]
pub struct HostClock {
    cores: Vec<Ticks>,
    throttled_us: Option<u64>,
}

/// What happened between two readings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostUse {
    /// Busy share of each core, 0 to 1; empty where the system does not tell.
    pub busy_per_core: Vec<f64>,
    /// Share of all cores' time that the hypervisor gave to others.
    pub steal: f64,
    /// Seconds that the cgroup's quota held us back.
    pub throttled_s: f64,
}

impl HostUse {
    /// Busy share of the whole machine; none where the system does not tell.
    #[must_use]
    pub fn busy(&self) -> Option<f64> {
        let cores = self.busy_per_core.len();
        (cores > 0).then(|| self.busy_per_core.iter().sum::<f64>() / cores as f64)
    }
}

impl HostClock {
    /// Reads the clocks now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            cores: fs::read_to_string("/proc/stat").map_or_else(|_| Vec::new(), |t| cores(&t)),
            throttled_us: fs::read_to_string("/sys/fs/cgroup/cpu.stat")
                .ok()
                .and_then(|text| throttled(&text)),
        }
    }

    /// What happened since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> HostUse {
        let cores: Vec<Ticks> = self
            .cores
            .iter()
            .zip(&earlier.cores)
            .map(|(now, then)| now.since(*then))
            .collect();
        let steal: u64 = cores.iter().map(|core| core.steal).sum();
        let total: u64 = cores.iter().map(|core| core.total).sum();
        let throttled = self.throttled_us.zip(earlier.throttled_us);
        HostUse {
            busy_per_core: cores.into_iter().map(Ticks::busy_share).collect(),
            steal: share(steal, total),
            throttled_s: throttled.map_or(0.0, |(now, then)| now.saturating_sub(then) as f64 / 1e6),
        }
    }
}

/// The lines `cpu0 user nice system idle iowait irq softirq steal ...` of /proc/stat (proc(5)).
fn cores(text: &str) -> Vec<Ticks> {
    let is_core = |line: &&str| {
        line.strip_prefix("cpu")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    text.lines()
        .filter(is_core)
        .map(|line| {
            let fields: Vec<u64> = line
                .split_ascii_whitespace()
                .skip(1)
                .take(8)
                .map(|field| field.parse().unwrap_or(0))
                .collect();
            let at = |n: usize| fields.get(n).copied().unwrap_or(0);
            let (idle, steal) = (at(3) + at(4), at(7));
            let total: u64 = fields.iter().sum();
            Ticks {
                busy: total - idle - steal,
                steal,
                total,
            }
        })
        .collect()
}

/// `throttled_usec` of a cgroup's cpu.stat.
fn throttled(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("throttled_usec "))?
        .trim()
        .parse()
        .ok()
}

/// Runnable tasks, mean of the last minute.
#[must_use]
pub fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Shares of the last ten seconds in which some task stood still for want of something, percent
/// (the kernel's Documentation/accounting/psi.rst); none where the kernel does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    cpu: Option<f64>,
    io: Option<f64>,
    memory: Option<f64>,
}

impl Pressure {
    /// The pressure on CPU, disk and memory.
    #[must_use]
    pub fn new(cpu: Option<f64>, io: Option<f64>, memory: Option<f64>) -> Self {
        Self { cpu, io, memory }
    }

    /// Reads it now.
    #[must_use]
    pub fn now() -> Self {
        let of = |what| stalled(&fs::read_to_string(format!("/proc/pressure/{what}")).ok()?);
        Self::new(of("cpu"), of("io"), of("memory"))
    }

    /// CPU, disk and memory, in this order.
    #[must_use]
    pub fn shares(&self) -> [Option<f64>; 3] {
        [self.cpu, self.io, self.memory]
    }
}

/// `avg10` of the line `some avg10=1.50 avg60=0.80 avg300=0.20 total=123`.
fn stalled(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    let field = line.split(' ').find_map(|f| f.strip_prefix("avg10="))?;
    field.parse().ok()
}

/// The frequency governors of all cores, each once; none where the cores have none.
#[must_use]
pub fn governors() -> Vec<String> {
    let cores = fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten();
    let mut governors: Vec<String> = cores
        .flatten()
        .filter_map(|core| fs::read_to_string(core.path().join("cpufreq/scaling_governor")).ok())
        .map(|governor| governor.trim().to_owned())
        .collect();
    governors.sort();
    governors.dedup();
    governors
}

/// Bytes that may be written where this directory is, or is going to be.
#[must_use]
pub fn free_bytes(directory: &Path) -> Option<u64> {
    let there = directory.ancestors().find(|path| path.exists())?;
    let disk = nix::sys::statvfs::statvfs(there).ok()?;
    Some(disk.blocks_available() * disk.fragment_size())
}

/// Starts the peak of this process' resident memory anew; false where the system has no such thing.
#[must_use]
pub fn forget_peak_memory() -> bool {
    // 5 resets VmHWM (proc(5), clear_refs)
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The peak of this process' resident memory since it was last forgotten, bytes.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  30 0 10 160 0 0 0 0 0 0\ncpu0 10 0 5 80 5 0 0 0 0 0\ncpu1 20 0 5 70 0 1 2 2 0 0\nintr 1\n";

    #[test]
    fn cores_are_read_from_their_lines_only() {
        let cores = cores(STAT);
        assert_eq!(cores.len(), 2);
        assert_eq!((cores[0].busy, cores[0].total), (15, 100));
        assert_eq!(
            (cores[1].busy, cores[1].steal, cores[1].total),
            (28, 2, 100)
        );
    }

    #[test]
    fn use_is_the_difference_of_two_readings() {
        let then = HostClock::default();
        let now = HostClock {
            cores: cores(STAT),
            throttled_us: Some(2_000_000),
        };
        assert_eq!(now.since(&then).busy(), None);
        let still = now.since(&now);
        assert_eq!(still.busy(), Some(0.0));
        let zero = HostClock {
            cores: vec![Ticks::default(); 2],
            throttled_us: Some(500_000),
        };
        let used = now.since(&zero);
        assert_eq!(used.busy_per_core, [0.15, 0.28]);
        assert!((used.steal - 0.01).abs() < 1e-9 && (used.throttled_s - 1.5).abs() < 1e-9);
    }

    #[test]
    fn pressure_is_that_of_the_last_ten_seconds() {
        let text = "some avg10=1.50 avg60=0.80 avg300=0.20 total=123\nfull avg10=9.00 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(stalled(text), Some(1.5));
        assert_eq!(stalled("nothing"), None);
    }

    #[test]
    fn room_is_known_where_a_directory_is_going_to_be() {
        let place = tempfile::tempdir().unwrap();
        assert!(free_bytes(&place.path().join("not/yet/there")).unwrap() > 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells_its_cores_and_our_peak() {
        assert!(describe().cores > 0);
        assert!(load().is_some());
        assert!(peak_memory().unwrap() > 1 << 20);
    }
}
