//! The machine: cores and what `auto` makes of them, memory, and whether it is quiet enough to measure.

use super::Finding;
use super::cores::Cores;
use crate::bench::artifact::{Flag, HostRecord};
use crate::bench::guard::{self, Readings};
use crate::bench::host;
use crate::cluster::{self, ClusterOptions};
use crate::config::types::PipelineParallelism;
use crate::parallelism::{Inputs, resolve};
use crate::units::Bytes;

const AREA: &str = "machine";

/// Memory below which a server, its caches and ours get in each other's way.
const LITTLE_MEMORY: u64 = 1 << 30;

pub(super) async fn findings(options: &ClusterOptions) -> Vec<Finding> {
    let described = host::describe();
    let cores = Cores::now(described.cores, described.available_cores);
    let home = cluster::home(options).unwrap_or_default();
    let mut findings = vec![system(&described)];
    findings.extend(of_cores(&cores));
    findings.push(memory(described.memory_bytes));
    findings.push(disk(host::free_bytes(&home)));
    findings.push(governor(&host::governors()));
    let concerns = Readings::of_machine(None).await.concerns();
    let flags = concerns.into_iter().map(|concern| concern.flag);
    // the governor has a line of its own
    let unquiet: Vec<Flag> = flags.filter(|flag| flag.kind != "governor").collect();
    findings.push(quiet(&unquiet));
    findings
}

fn system(host: &HostRecord) -> Finding {
    let known = [&host.cpu, &host.os, &host.kernel];
    let parts: Vec<&str> = known.iter().filter_map(|p| p.as_deref()).collect();
    Finding::ok(AREA, "system", parts.join(", "))
}

fn of_cores(cores: &Cores) -> Vec<Finding> {
    let found = if cores.is_throttled() {
        Finding::warn(
            AREA,
            "cores",
            format!(
                "{}: processes are held back when it is used up",
                cores.text()
            ),
        )
        .remedy("raise the quota, or measure where there is none")
    } else if cores.available < 2 {
        Finding::warn(
            AREA,
            "cores",
            format!("{}: more workers have nothing to gain", cores.text()),
        )
        .remedy("give this process two cores or more")
    } else {
        Finding::ok(AREA, "cores", cores.text())
    };
    let auto = |streams| {
        resolve(Inputs {
            configured: PipelineParallelism::Auto,
            available_cores: cores.available,
            eligible_streams: streams,
            transform_count: 0,
        })
        .effective
    };
    vec![
        found,
        Finding::ok(
            AREA,
            "parallelism",
            format!(
                "auto is {} for one table, {} for many, where they may be shared out",
                workers(auto(1)),
                auto(crate::parallelism::MAX_AUTO_CAP)
            ),
        ),
    ]
}

fn workers(n: u32) -> String {
    if n == 1 {
        "1 worker".to_owned()
    } else {
        format!("{n} workers")
    }
}

fn memory(bytes: u64) -> Finding {
    let text = Bytes(bytes).to_string();
    if bytes > 0 && bytes < LITTLE_MEMORY {
        Finding::warn(AREA, "memory", format!("{text}: little for a server"))
            .remedy("measure with 1 GiB or more")
    } else {
        Finding::ok(AREA, "memory", text)
    }
}

fn disk(free: Option<u64>) -> Finding {
    match free {
        None => Finding::ok(AREA, "disk", "the system does not tell how much is free"),
        Some(free) if free < guard::SPARE_BYTES => Finding::warn(
            AREA,
            "disk",
            format!(
                "{} are free for the managed server, at least {} are wanted",
                Bytes(free),
                Bytes(guard::SPARE_BYTES)
            ),
        )
        .remedy("make room, or take another disk with --cluster-dir"),
        Some(free) => Finding::ok(
            AREA,
            "disk",
            format!("{} are free for the managed server", Bytes(free)),
        ),
    }
}

fn governor(governors: &[String]) -> Finding {
    let all = governors.join(", ");
    match governors {
        [] => Finding::ok(AREA, "frequency", "the system shows no governor"),
        [one] if one == "performance" => Finding::ok(AREA, "frequency", "governor performance"),
        _ => Finding::warn(
            AREA,
            "frequency",
            format!("governor {all}, not performance"),
        )
        .remedy("`sudo cpupower frequency-set -g performance` while you measure"),
    }
}

fn quiet(unquiet: &[Flag]) -> Finding {
    if unquiet.is_empty() {
        return Finding::ok(AREA, "quiet", "nothing else is at work");
    }
    let texts: Vec<&str> = unquiet.iter().map(|flag| flag.text.as_str()).collect();
    Finding::warn(AREA, "quiet", texts.join("; "))
        .remedy("end what else is running, or wait for it with --guard wait")
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_governor_that_is_not_performance_is_told() {
        let state = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            let found = governor(&names);
            let remedy = (found.state == State::Warn)
                .then_some("`sudo cpupower frequency-set -g performance` while you measure");
            assert_eq!(found.remedy.as_deref(), remedy);
            found.state
        };
        assert_eq!(state(&[]), State::Ok);
        assert_eq!(state(&["performance"]), State::Ok);
        assert_eq!(state(&["performance", "powersave"]), State::Warn);
    }

    #[test]
    fn auto_is_told_for_these_cores() {
        let cores = |available| Cores {
            machine: 8,
            available,
            ..Cores::default()
        };
        let found = of_cores(&cores(8));
        assert_eq!(found[0].state, State::Ok);
        assert_eq!(
            found[1].text,
            "auto is 4 workers for one table, 8 for many, where they may be shared out"
        );
        let single = &of_cores(&cores(1))[0];
        assert_eq!(single.state, State::Warn);
        assert_eq!(
            single.remedy.as_deref(),
            Some("give this process two cores or more")
        );
    }

    #[test]
    fn a_full_disk_and_little_memory_are_told() {
        let full = disk(Some(1 << 20));
        assert_eq!(full.state, State::Warn);
        assert_eq!(
            full.remedy.as_deref(),
            Some("make room, or take another disk with --cluster-dir")
        );
        assert_eq!(disk(Some(1 << 40)).state, State::Ok);
        let little = memory(1 << 28);
        assert_eq!(little.state, State::Warn);
        assert_eq!(little.remedy.as_deref(), Some("measure with 1 GiB or more"));
        assert_eq!(memory(1 << 33).state, State::Ok);
    }

    #[test]
    fn a_machine_that_is_not_quiet_is_told_with_a_remedy() {
        let flag = |kind: &str| Flag {
            kind: kind.into(),
            text: format!("{kind} is high"),
        };
        let found = quiet(&[flag("load"), flag("busy")]);
        assert_eq!(found.state, State::Warn);
        assert_eq!(found.text, "load is high; busy is high");
        assert_eq!(
            found.remedy.as_deref(),
            Some("end what else is running, or wait for it with --guard wait")
        );
        assert_eq!(quiet(&[]).state, State::Ok);
    }

    #[test]
    fn a_quota_that_holds_processes_back_is_told() {
        let throttled = Cores {
            machine: 8,
            available: 2,
            quota: Some(1.5),
            ..Cores::default()
        };
        assert_eq!(
            of_cores(&throttled)[0].remedy.as_deref(),
            Some("raise the quota, or measure where there is none")
        );
    }
}
