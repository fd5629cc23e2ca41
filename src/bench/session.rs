//! A session before it begins: what is measured, how often, in which order, on which databases.
//!
//! A [`Plan`] is decided from a profile and what was typed, with nothing started. [`open`] binds it to
//! databases: it starts and seeds the managed server, or looks at the user's own. Nothing here writes
//! to a user's database.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::binary::Binary;
use super::dataset::Dataset;
use super::guard::GuardMode;
use super::noise::Floors;
use super::order::{Arm, balanced};
use super::profile::{Origin, Profile};
use super::progress::Progress;
use super::rules::Rules;
use super::seed::{self, Seeded};
use super::server::APPLICATION;
use super::target::WritesTo;
use crate::cluster::{Cluster, ClusterOptions};
use crate::config::relation::is_pattern;
use crate::config::types::{
    DestinationConnector, Endpoint, Pipeline, Secret, SourceConnector, Stream, SyncMode,
};
use crate::error::{Error, Kind, Result};
use crate::parallelism::{available_cores, resolve_pipeline};
use crate::postgres::{Server, Session, listing};
use crate::units::Hex;

/// Which databases a session uses.
#[derive(Debug, Clone)]
pub enum Databases {
    /// The managed server's.
    Managed(ClusterOptions),
    /// These, in place of what the profile's pipeline leaves open.
    Given {
        /// The source's URL.
        source: Secret,
        /// The destination's URL.
        destination: Secret,
    },
    /// Those that the pipeline document names.
    OfDocument,
}

/// What a session is going to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Eight hex digits.
    pub id: String,
    /// The user's name for it.
    pub label: Option<String>,
    /// What is measured.
    pub profile: Profile,
    /// Which databases it uses.
    pub databases: Databases,
    /// Whether the before arm is measured too.
    pub both_arms: bool,
    /// Warm-up iterations of each arm.
    pub warmup: u32,
    /// Measured pairs; measured iterations with one arm.
    pub pairs: u32,
    /// The seed of the order.
    pub seed: u64,
    /// How it is judged.
    pub rules: Rules,
    /// Other programs that run arms in place of this one: for both or for none, so that both are
    /// measured alike.
    pub binaries: BTreeMap<Arm, Binary>,
    /// What is done about a machine that is not quiet.
    pub guard: GuardMode,
    /// Where measured noise is kept; none where it plays no part.
    pub floors: Option<Floors>,
    /// Write to the named tables instead of copies of them.
    pub in_place: bool,
    /// The command's arguments, secrets masked.
    pub arguments: Vec<String>,
}

/// One iteration that a plan asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Which setting runs.
    pub arm: Arm,
    /// Whether it is a warm-up.
    pub warmup: bool,
    /// Its pair, from 0; warm-ups count on their own.
    pub pair: u32,
}

impl Planned {
    /// Whether a pair is complete when this iteration follows: warm-ups stand alone.
    pub(super) fn is_of_other_pair(self, next: Self) -> bool {
        self.warmup || next.warmup || self.pair != next.pair
    }
}

impl Plan {
    /// The arms of each pair, in the order they run.
    #[must_use]
    pub fn order(&self) -> Vec<Vec<Arm>> {
        if self.both_arms {
            balanced(&self.blocks(), self.seed)
                .into_iter()
                .map(Vec::from)
                .collect()
        } else {
            vec![vec![Arm::After]; self.pairs as usize]
        }
    }

    /// The pairs between one moment at which it may end and the next.
    fn blocks(&self) -> Vec<u32> {
        let looks = self.rules.looks().iter().filter(|look| **look < self.pairs);
        let ends: Vec<u32> = looks.copied().chain([self.pairs]).collect();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(&ends).map(|(begin, end)| end - begin).collect()
    }

    /// The arms that are measured.
    #[must_use]
    pub fn arms(&self) -> &'static [Arm] {
        if self.both_arms {
            &[Arm::Before, Arm::After]
        } else {
            &[Arm::After]
        }
    }

    /// Every iteration, in the order they run.
    #[must_use]
    pub fn iterations(&self) -> Vec<Planned> {
        let warmups = (0..self.warmup).flat_map(|pair| {
            self.arms().iter().map(move |arm| Planned {
                arm: *arm,
                warmup: true,
                pair,
            })
        });
        let measured = self
            .order()
            .into_iter()
            .enumerate()
            .flat_map(|(pair, arms)| {
                arms.into_iter().map(move |arm| Planned {
                    arm,
                    warmup: false,
                    pair: pair as u32,
                })
            });
        warmups.chain(measured).collect()
    }

    /// Where the session writes to.
    pub fn writes_to(&self) -> Result<WritesTo> {
        let pipeline = self.profile.pipeline(Arm::After)?;
        Ok(match (&pipeline.destination.connector, &self.databases) {
            (DestinationConnector::Null, _) => WritesTo::Nowhere,
            _ if self.in_place => WritesTo::InPlace,
            (_, Databases::Managed(_)) => WritesTo::Managed,
            _ => WritesTo::Copies,
        })
    }
}

/// A plan bound to databases that are there.
pub struct Open {
    /// The managed server; it stops when this is dropped.
    pub cluster: Option<Cluster>,
    /// The source; none where rows are made in the process.
    pub source: Option<Server>,
    /// The destination; none for `dest-null`.
    pub destination: Option<Server>,
    /// The dataset, where rb-bench made it.
    pub seeded: Option<Seeded>,
    /// Each arm's pipeline, connections in it, streams' names exact.
    pub pipelines: BTreeMap<Arm, Pipeline>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// Refuses a pipeline that copies other rows each time.
fn require_repeatable(pipeline: &Pipeline) -> Result<()> {
    let mut streams = pipeline.source.streams.iter();
    match streams.find(|stream| stream.sync_mode != SyncMode::FullRefresh) {
        None => Ok(()),
        Some(stream) => Err(Error::new(
            Kind::Unsupported,
            format!(
                "stream `{}` copies only what is new since its last run, and a benchmark repeats one copy",
                stream.name
            ),
        )
        .remedy("measure it with sync_mode: full_refresh")),
    }
}

/// Binds a plan to its databases: starts and seeds the managed server, or looks at the user's own.
pub async fn open(
    plan: &Plan,
    progress: &Arc<dyn Progress>,
    cancel: &CancellationToken,
) -> Result<Open> {
    let mut pipelines = BTreeMap::new();
    for arm in plan.arms() {
        let pipeline = plan.profile.pipeline(*arm)?;
        require_repeatable(&pipeline)?;
        pipelines.insert(*arm, pipeline);
    }
    let mut open = Open {
        cluster: None,
        source: None,
        destination: None,
        seeded: None,
        pipelines,
        warnings: Vec::new(),
    };
    match &plan.databases {
        Databases::Managed(options) => {
            let dataset = plan.profile.dataset.as_ref().ok_or_else(|| {
                Error::internal("a plan without a dataset was to run on the managed server")
            })?;
            open.managed(options, dataset, progress, cancel).await?;
        }
        Databases::Given {
            source,
            destination,
        } => {
            for pipeline in open.pipelines.values_mut() {
                connect_to(pipeline, source, destination, false);
            }
        }
        Databases::OfDocument => {}
    }
    open.find_servers()?;
    open.choose_servers().await?;
    open.look_at_source(plan).await?;
    Ok(open)
}

impl Open {
    async fn managed(
        &mut self,
        options: &ClusterOptions,
        dataset: &Dataset,
        progress: &Arc<dyn Progress>,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let (options, teller) = (options.clone(), Arc::clone(progress));
        progress.step("starting the managed Postgres");
        let starting =
            tokio::task::spawn_blocking(move || Cluster::start(&options, |text| teller.step(text)));
        let started = cancel
            .run_until_cancelled(starting)
            .await
            .ok_or_else(|| Error::new(Kind::Interrupted, "interrupted"))?;
        let cluster =
            started.map_err(|e| Error::internal(format!("starting the server: {e}")))??;
        let source = Secret::new(cluster.url("source"));
        let destination = Secret::new(cluster.url("dest"));
        self.cluster = Some(cluster);
        let server = Server::from_endpoint(&Endpoint {
            url: Some(source.clone()),
            is_managed: true,
            ..Endpoint::default()
        })?;
        let connections = available_cores().clamp(1, 8);
        let seeded = seed::ensure(&server, dataset, connections, progress, cancel).await?;
        for pipeline in self.pipelines.values_mut() {
            connect_to(pipeline, &source, &destination, true);
            for stream in &mut pipeline.source.streams {
                stream.schema = Some(seeded.schema.clone());
            }
        }
        self.seeded = Some(seeded);
        Ok(())
    }

    fn find_servers(&mut self) -> Result<()> {
        let Some(pipeline) = self.pipelines.get(&Arm::After) else {
            return Ok(());
        };
        if let SourceConnector::Postgres(endpoint) = &pipeline.source.connector {
            self.source = Some(Server::from_endpoint(endpoint)?);
        }
        if let DestinationConnector::Postgres(postgres) = &pipeline.destination.connector {
            self.destination = Some(Server::from_endpoint(&postgres.endpoint)?);
        }
        Ok(())
    }

    /// Where an endpoint lists several servers, one is chosen for the whole session: its iterations
    /// must be comparable, and its counters be those of the server that is measured.
    async fn choose_servers(&mut self) -> Result<()> {
        for server in [&self.source, &self.destination].into_iter().flatten() {
            if server.leaves_a_choice() {
                server.connect(APPLICATION).await?.close().await;
            }
        }
        for pipeline in self.pipelines.values_mut() {
            if let (SourceConnector::Postgres(endpoint), Some(server)) =
                (&mut pipeline.source.connector, &self.source)
                && server.leaves_a_choice()
            {
                server.narrow(endpoint);
            }
            if let (DestinationConnector::Postgres(postgres), Some(server)) =
                (&mut pipeline.destination.connector, &self.destination)
                && server.leaves_a_choice()
            {
                server.narrow(&mut postgres.endpoint);
            }
        }
        Ok(())
    }

    /// The tables must be there, for rb-bench never writes to a user's source; patterns become the
    /// tables they name, so that each can be given a target.
    async fn look_at_source(&mut self, plan: &Plan) -> Result<()> {
        let Some(server) = &self.source else {
            return Ok(());
        };
        let session = server.connect(APPLICATION).await?;
        for (arm, pipeline) in &mut self.pipelines {
            let before = resolve_pipeline(pipeline, available_cores()).effective;
            let SourceConnector::Postgres(endpoint) = &pipeline.source.connector else {
                continue;
            };
            let schema = endpoint.schema.clone();
            pipeline.source.streams =
                exact(&session, &schema, &pipeline.source.streams, plan).await?;
            let after = resolve_pipeline(pipeline, available_cores()).effective;
            if before != after {
                self.warnings.push(format!(
                    "{arm}: patterns were replaced by the {} tables they name, which resolves to {after} workers; \
                     a run of the document itself resolves to {before}",
                    pipeline.source.streams.len()
                ));
            }
        }
        session.close().await;
        Ok(())
    }
}

/// Identifies what the source is asked for, beside its rows: two queries of one dataset have sums of
/// their own.
pub(super) fn query_digest(pipeline: &Pipeline) -> Result<String> {
    let columns: Vec<_> = pipeline.source.streams.iter().map(|s| &s.columns).collect();
    let text = serde_json::to_string(&(columns, &pipeline.transforms))
        .map_err(|e| Error::internal(format!("serializing a query: {e}")))?;
    Ok(Hex(&Sha256::digest(text.as_bytes())).to_string())
}

fn connect_to(pipeline: &mut Pipeline, source: &Secret, destination: &Secret, is_managed: bool) {
    let to = |endpoint: &mut Endpoint, url: &Secret| {
        *endpoint = Endpoint {
            url: Some(url.clone()),
            is_managed,
            schema: std::mem::take(&mut endpoint.schema),
            ..Endpoint::default()
        };
    };
    if let SourceConnector::Postgres(endpoint) = &mut pipeline.source.connector {
        to(endpoint, source);
    }
    if let DestinationConnector::Postgres(postgres) = &mut pipeline.destination.connector {
        to(&mut postgres.endpoint, destination);
    }
}

async fn exact(
    session: &Session,
    default_schema: &str,
    streams: &[Stream],
    plan: &Plan,
) -> Result<Vec<Stream>> {
    let mut exact = Vec::with_capacity(streams.len());
    for stream in streams {
        let schema = stream.schema.as_deref().unwrap_or(default_schema);
        let found = listing::matching(session, schema, &stream.name).await?;
        if found.is_empty() {
            let error = Error::new(
                Kind::NotFound,
                format!(
                    "{schema}.{} does not exist in {}",
                    stream.name,
                    session.server()
                ),
            );
            return Err(match plan.profile.origin {
                Origin::Pipeline(_) => error,
                Origin::Shipped | Origin::File(_) => error.remedy(
                    "rb-bench never writes to a source it does not manage; use a profile whose table is there, \
                     --pipeline FILE, or leave --source-url and --dest-url out",
                ),
            });
        }
        if !is_pattern(&stream.name) && !is_pattern(schema) {
            exact.push(stream.clone());
            continue;
        }
        exact.extend(found.into_iter().map(|name| Stream {
            name: name.relation,
            schema: Some(name.schema),
            ..stream.clone()
        }));
    }
    Ok(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(both_arms: bool) -> Plan {
        Plan {
            id: "0f3a9c21".into(),
            label: None,
            profile: Profile::find("small").unwrap(),
            databases: Databases::Managed(ClusterOptions::default()),
            both_arms,
            warmup: 2,
            pairs: 3,
            seed: 5,
            rules: Rules::at(0.02),
            binaries: BTreeMap::new(),
            guard: GuardMode::Off,
            floors: None,
            in_place: false,
            arguments: Vec::new(),
        }
    }

    #[test]
    fn warm_ups_come_first_and_pairs_stay_together() {
        let planned = plan(true).iterations();
        assert_eq!(planned.len(), 2 * 2 + 3 * 2);
        assert!(planned[..4].iter().all(|p| p.warmup) && planned[4..].iter().all(|p| !p.warmup));
        for (n, pair) in planned[4..].chunks(2).enumerate() {
            assert!(pair.iter().all(|p| p.pair == n as u32));
            assert_ne!(pair[0].arm, pair[1].arm);
        }
    }

    #[test]
    fn a_session_that_may_end_early_is_balanced_wherever_it_ends() {
        let planned = Plan {
            pairs: 20,
            rules: Rules::at(0.02).until_resolved(),
            ..plan(true)
        };
        assert_eq!(planned.blocks(), [8, 4, 8]);
        let order = planned.order();
        for end in [8, 12, 20] {
            let first = order[..end].iter().filter(|pair| pair[0] == Arm::Before);
            assert_eq!(first.count(), end / 2);
        }
    }

    #[test]
    fn one_arm_is_the_after_arm() {
        let planned = plan(false).iterations();
        assert_eq!(planned.len(), 2 + 3);
        assert!(planned.iter().all(|p| p.arm == Arm::After));
    }

    #[test]
    fn a_session_writes_beside_tables_of_others() {
        let own = plan(true);
        assert_eq!(own.writes_to().unwrap(), WritesTo::Managed);
        let given = Databases::Given {
            source: Secret::new("postgres://a"),
            destination: Secret::new("postgres://b"),
        };
        let theirs = Plan {
            databases: given,
            ..own
        };
        assert_eq!(theirs.writes_to().unwrap(), WritesTo::Copies);
        let in_place = Plan {
            in_place: true,
            ..theirs
        };
        assert_eq!(in_place.writes_to().unwrap(), WritesTo::InPlace);
    }
}
