//! Whether this machine is quiet enough to measure on, asked before anything is measured.
//!
//! What speaks against it is told, waited for, or a reason to refuse, as [`GuardMode`] says; whatever
//! was let pass is kept in the artifact. The machine is looked at before a server is started or a row
//! is made, so that rb-bench is never taken for a disturbance of itself; the servers once they are
//! there. What cannot be read is not held against anybody.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::artifact::{Flag, GuardRecord};
use super::host::{self, HostClock, Pressure};
use super::progress::Progress;
use crate::error::{Error, Kind, Result};
use crate::parallelism::available_cores;
use crate::units::Bytes;

/// Over how long the machine's clocks are compared.
const WINDOW: Duration = Duration::from_millis(500);
/// How long after a look that found something the next one is.
const PAUSE: Duration = Duration::from_secs(2);
/// How long `wait` waits at most.
pub const LIMIT: Duration = Duration::from_mins(10);

/// Load over the last minute above this share of the cores is told: half of them were wanted.
const LOAD: f64 = 0.5;
/// A machine that is busy above this share is told.
const BUSY: f64 = 0.25;
/// Steal above this share of the machine is told.
const STEAL: f64 = 0.01;
/// Shares of the last ten seconds in which tasks stood still for CPU, disk and memory, percent; above
/// them they are told.
const PRESSURE: [f64; 3] = [10.0, 10.0, 1.0];
/// Room for log and temporary files beside the data.
pub(super) const SPARE_BYTES: u64 = 2 << 30;

/// What is done about a machine that is not quiet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GuardMode {
    /// It is told and kept in the artifact.
    #[default]
    Warn,
    /// It is waited for, [`LIMIT`] at most; then it is refused.
    Wait,
    /// It is refused.
    Fail,
    /// Nothing is looked at.
    Off,
}

impl GuardMode {
    /// The mode as flags and artifacts name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Wait => "wait",
            Self::Fail => "fail",
            Self::Off => "off",
        }
    }
}

/// What the machine was seen doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Readings {
    /// Runnable tasks, mean of the last minute.
    load: Option<f64>,
    cores: u32,
    /// Busy share of all cores.
    busy: Option<f64>,
    steal: f64,
    pressure: Pressure,
    /// CPU frequency governors, each once.
    governors: Vec<String>,
    /// Client backends of others that are active.
    foreign: u32,
    /// Free bytes of the disk, and those that are wanted.
    disk: Option<(u64, u64)>,
}

impl Readings {
    /// Looks at this machine, for [`WINDOW`].
    pub(super) async fn of_machine(disk: Option<&Disk>) -> Self {
        let before = HostClock::now();
        tokio::time::sleep(WINDOW).await;
        let used = HostClock::now().since(&before);
        Self {
            load: host::load(),
            cores: available_cores(),
            busy: used.busy(),
            steal: used.steal,
            pressure: Pressure::now(),
            governors: host::governors(),
            foreign: 0,
            disk: disk.and_then(|disk| Some((host::free_bytes(&disk.directory)?, disk.wanted))),
        }
    }

    /// Backends of others, and nothing else.
    pub(super) fn of_servers(foreign: u32) -> Self {
        Self {
            foreign,
            ..Self::default()
        }
    }

    /// What speaks against measuring now.
    pub(super) fn concerns(&self) -> Vec<Concern> {
        let mut concerns = Vec::new();
        let mut passing = |kind: &str, text: String| {
            concerns.push(Concern {
                flag: Flag {
                    kind: kind.into(),
                    text,
                },
                passes: true,
            });
        };
        if let Some(load) = self.load.filter(|l| *l > LOAD * f64::from(self.cores)) {
            passing(
                "load",
                format!(
                    "load of {load:.1} on {} core(s) over the last minute",
                    self.cores
                ),
            );
        }
        if let Some(busy) = self.busy.filter(|busy| *busy > BUSY) {
            passing(
                "busy",
                format!("this machine's cores are {:.0} % busy", busy * 100.0),
            );
        }
        let kinds = ["cpu", "io", "memory"];
        for ((kind, share), limit) in kinds.iter().zip(self.pressure.shares()).zip(PRESSURE) {
            if let Some(share) = share.filter(|share| *share > limit) {
                passing(
                    &format!("pressure_{kind}"),
                    format!("tasks waited for {kind} in {share:.0} % of the last ten seconds"),
                );
            }
        }
        if self.steal > STEAL {
            passing(
                "cpu_steal",
                format!(
                    "the hypervisor gives {:.0} % of this machine's time to others",
                    self.steal * 100.0
                ),
            );
        }
        if self.foreign > 0 {
            passing(
                "foreign_backends",
                format!(
                    "{} backend(s) of others are active on the server",
                    self.foreign
                ),
            );
        }
        let slow: Vec<&str> = self
            .governors
            .iter()
            .map(String::as_str)
            .filter(|governor| *governor != "performance")
            .collect();
        let mut lasting = |kind: &str, text: String| {
            concerns.push(Concern {
                flag: Flag {
                    kind: kind.into(),
                    text,
                },
                passes: false,
            });
        };
        if !slow.is_empty() {
            lasting(
                "governor",
                format!(
                    "the CPU frequency governor is {}, not performance",
                    slow.join(", ")
                ),
            );
        }
        if let Some((free, wanted)) = self.disk.filter(|(free, wanted)| free < wanted) {
            lasting(
                "disk_space",
                format!(
                    "{} are free for the managed server, {} are wanted",
                    Bytes(free),
                    Bytes(wanted)
                ),
            );
        }
        concerns
    }
}

/// Something that speaks against measuring now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Concern {
    pub(super) flag: Flag,
    /// Whether it may pass by itself.
    passes: bool,
}

/// The disk that is going to be filled.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    wanted: u64,
}

/// The guard of one session.
pub(super) struct Guard {
    mode: GuardMode,
    limit: Duration,
    pause: Duration,
    disk: Option<Disk>,
    progress: Arc<dyn Progress>,
    cancel: CancellationToken,
    record: GuardRecord,
}

impl Guard {
    pub(super) fn new(
        mode: GuardMode,
        progress: &Arc<dyn Progress>,
        cancel: &CancellationToken,
    ) -> Self {
        Self {
            mode,
            limit: LIMIT,
            pause: PAUSE,
            disk: None,
            progress: Arc::clone(progress),
            cancel: cancel.clone(),
            record: GuardRecord {
                mode: mode.name().into(),
                waited_s: 0.0,
                waived: Vec::new(),
            },
        }
    }

    /// The same; data of so many COPY bytes go into this directory, twice, and through the log.
    pub(super) fn with_disk(mut self, directory: &Path, bytes: u64) -> Self {
        self.disk = Some(Disk {
            directory: directory.to_owned(),
            wanted: bytes.saturating_mul(3).saturating_add(SPARE_BYTES),
        });
        self
    }

    /// Looks at the machine; before anything of ours runs on it.
    ///
    /// # Errors
    /// `Kind::Guard` where it is not quiet and the mode refuses that; `Kind::Interrupted`.
    pub(super) async fn machine(&mut self) -> Result<()> {
        if self.mode == GuardMode::Off {
            return Ok(());
        }
        let disk = self.disk.take();
        self.pass(async || Readings::of_machine(disk.as_ref()).await)
            .await
    }

    /// The same of servers; `look` says what is seen there now.
    pub(super) async fn servers(&mut self, look: impl AsyncFnMut() -> Readings) -> Result<()> {
        if self.mode == GuardMode::Off {
            return Ok(());
        }
        self.pass(look).await
    }

    /// What was let pass, for the artifact.
    pub(super) fn record(&self) -> GuardRecord {
        self.record.clone()
    }

    async fn pass(&mut self, look: impl AsyncFnMut() -> Readings) -> Result<()> {
        let cancel = self.cancel.clone();
        cancel
            .run_until_cancelled(self.until_quiet(look))
            .await
            .unwrap_or_else(|| Err(Error::new(Kind::Interrupted, "interrupted")))
    }

    async fn until_quiet(&mut self, mut look: impl AsyncFnMut() -> Readings) -> Result<()> {
        let began = Instant::now();
        let mut told = Vec::new();
        loop {
            let concerns = look().await.concerns();
            if concerns.is_empty() {
                self.record.waited_s += began.elapsed().as_secs_f64();
                return Ok(());
            }
            let hopeless = concerns.iter().any(|concern| !concern.passes);
            let over = began.elapsed() >= self.limit;
            match self.mode {
                GuardMode::Warn | GuardMode::Off => {
                    for concern in concerns {
                        self.progress
                            .step(&format!("not quiet: {}", concern.flag.text));
                        self.record.waived.push(concern.flag);
                    }
                    return Ok(());
                }
                GuardMode::Fail => return Err(refused(&concerns, None)),
                GuardMode::Wait if hopeless || over => {
                    return Err(refused(&concerns, Some(began.elapsed())));
                }
                GuardMode::Wait => {
                    let kinds: Vec<String> = concerns.iter().map(|c| c.flag.kind.clone()).collect();
                    // told once for as long as it stays the same
                    if kinds != told {
                        let left = self.limit.saturating_sub(began.elapsed()).as_secs();
                        self.progress.step(&format!(
                            "waiting for a quiet machine, {left} s at most: {}",
                            texts(&concerns)
                        ));
                        told = kinds;
                    }
                    tokio::time::sleep(self.pause).await;
                }
            }
        }
    }
}

fn texts(concerns: &[Concern]) -> String {
    let texts: Vec<&str> = concerns.iter().map(|c| c.flag.text.as_str()).collect();
    texts.join("; ")
}

fn refused(concerns: &[Concern], waited: Option<Duration>) -> Error {
    let waited = waited.map_or_else(String::new, |waited| {
        format!(" after {} s of waiting", waited.as_secs())
    });
    let passes = concerns.iter().all(|concern| concern.passes);
    Error::new(
        Kind::Guard,
        format!(
            "the guard refuses to measure here{waited}: {}",
            texts(concerns)
        ),
    )
    .remedy(if passes {
        "end what else is running, wait for it with --guard wait, or let it pass with --guard warn"
    } else {
        "change that, or let it pass with --guard warn"
    })
}

#[cfg(test)]
mod tests {
    use super::super::progress::Silent;
    use super::*;

    fn guard(mode: GuardMode) -> Guard {
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        Guard::new(mode, &progress, &CancellationToken::new())
    }

    fn busy() -> Readings {
        Readings {
            load: Some(3.0),
            cores: 2,
            busy: Some(0.9),
            ..Readings::default()
        }
    }

    fn kinds(readings: &Readings) -> Vec<String> {
        let concerns = readings.concerns().into_iter();
        concerns.map(|concern| concern.flag.kind).collect()
    }

    #[test]
    fn each_disturbance_is_named() {
        assert!(kinds(&Readings::default()).is_empty());
        let all = Readings {
            load: Some(1.1),
            cores: 2,
            busy: Some(0.3),
            steal: 0.02,
            pressure: Pressure::new(Some(11.0), Some(10.5), Some(1.5)),
            governors: vec!["performance".into(), "powersave".into()],
            foreign: 1,
            disk: Some((1 << 30, 2 << 30)),
        };
        assert_eq!(
            kinds(&all),
            [
                "load",
                "busy",
                "pressure_cpu",
                "pressure_io",
                "pressure_memory",
                "cpu_steal",
                "foreign_backends",
                "governor",
                "disk_space"
            ]
        );
        let quiet = Readings {
            load: Some(0.9),
            busy: Some(0.2),
            pressure: Pressure::new(Some(9.0), Some(9.0), Some(0.9)),
            governors: vec!["performance".into()],
            foreign: 0,
            steal: 0.005,
            disk: Some((3 << 30, 2 << 30)),
            ..all
        };
        assert!(kinds(&quiet).is_empty());
    }

    #[tokio::test]
    async fn what_is_let_pass_is_kept() {
        let mut guard = guard(GuardMode::Warn);
        guard.servers(async || busy()).await.unwrap();
        guard
            .servers(async || Readings::of_servers(2))
            .await
            .unwrap();
        let record = guard.record();
        let kinds: Vec<&str> = record
            .waived
            .iter()
            .map(|flag| flag.kind.as_str())
            .collect();
        assert_eq!(
            (record.mode.as_str(), kinds),
            ("warn", vec!["load", "busy", "foreign_backends"])
        );
    }

    #[tokio::test]
    async fn a_machine_that_is_not_quiet_can_be_refused() {
        let error = guard(GuardMode::Fail)
            .servers(async || busy())
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (Kind::Guard, 6));
        let remedy = "end what else is running, wait for it with --guard wait, or let it pass with --guard warn";
        assert_eq!(error.remedy_text(), Some(remedy));
        assert!(
            guard(GuardMode::Fail)
                .servers(async || Readings::default())
                .await
                .is_ok()
        );
        assert!(guard(GuardMode::Off).servers(async || busy()).await.is_ok());
    }

    #[tokio::test]
    async fn waiting_ends_when_it_is_quiet() {
        let mut waiting = guard(GuardMode::Wait);
        waiting.pause = Duration::from_millis(1);
        let mut looks = 0;
        let calming = async || {
            looks += 1;
            if looks < 4 {
                busy()
            } else {
                Readings::default()
            }
        };
        waiting.servers(calming).await.unwrap();
        assert_eq!(looks, 4);
        assert!(waiting.record().waived.is_empty() && waiting.record().waited_s > 0.0);
    }

    #[tokio::test]
    async fn waiting_ends_at_its_limit_and_at_once_for_what_does_not_pass() {
        let mut over = guard(GuardMode::Wait);
        over.limit = Duration::ZERO;
        let error = over.servers(async || busy()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Guard);
        let refused = "the guard refuses to measure here after 0 s of waiting: ";
        assert!(error.message().starts_with(refused), "{error}");
        let slow = || Readings {
            governors: vec!["powersave".into()],
            ..Readings::default()
        };
        let error = guard(GuardMode::Wait)
            .servers(async || slow())
            .await
            .unwrap_err();
        let remedy = "change that, or let it pass with --guard warn";
        assert_eq!(error.remedy_text(), Some(remedy));
    }
}
