//! Readings of processes and of the host: CPU time by pid, memory, context switches.

use nix::sys::resource::{UsageWho, getrusage};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// CPU this process has used so far, user and system, seconds.
#[must_use]
pub fn own_cpu_secs() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    })
}

/// Context switches of this process so far: voluntary, involuntary.
#[must_use]
pub fn own_context_switches() -> (u64, u64) {
    getrusage(UsageWho::RUSAGE_SELF).map_or((0, 0), |usage| {
        (
            usage.voluntary_context_switches() as u64,
            usage.involuntary_context_switches() as u64,
        )
    })
}

/// CPU seconds that local processes have used, by pid; a pid that is gone is left out.
#[must_use]
pub fn cpu_secs_of(pids: &[i32]) -> Vec<(i32, f64)> {
    let pids: Vec<Pid> = pids.iter().map(|pid| Pid::from_u32(*pid as u32)).collect();
    let Ok(mut system) = System::new() else {
        return Vec::new();
    };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&pids),
        true,
        ProcessRefreshKind::nothing().with_cpu(),
    );
    pids.iter()
        .filter_map(|pid| {
            let process = system.process(*pid)?;
            Some((
                pid.as_u32() as i32,
                process.accumulated_cpu_time() as f64 / 1e3,
            ))
        })
        .collect()
}
