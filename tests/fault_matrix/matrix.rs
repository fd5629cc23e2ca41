//! One cell of the matrix: a run brought to a point, struck, repeated, and looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rb_bench::engine::fail_point::Point;

use crate::fault::Fault;
use crate::mode::{DROP_SLOTS, Mode};
use crate::running::{Outcome, Running};
use crate::stage::Side;
use crate::support;

/// How long a run may take to come to its point.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is there of ours after a run: the ledger, marks, and how far changes are applied.
const KEPT: &str = "'version', 'runs', 'cursors', 'slots', 'initial_copies'";
/// Where the whole table goes, and between which lines.
const PAPER: &str = "docs/reliability.md";
const MARKS: (&str, &str) = ("<!-- matrix -->\n", "<!-- /matrix -->");

/// Which mode, where, what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) mode: &'static Mode,
    pub(crate) point: Point,
    pub(crate) fault: Fault,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {}: {}",
            self.mode.name,
            self.point.name(),
            self.fault.name()
        )
    }
}

/// Two servers on which cells are played one after the other.
pub(crate) struct Theatre {
    source: Side,
    dest: Side,
    files: tempfile::TempDir,
    played: u32,
    /// How long a whole run of each mode takes.
    durations: BTreeMap<&'static str, Duration>,
}

impl Theatre {
    pub(crate) fn open() -> Self {
        Self {
            source: Side::start(),
            dest: Side::start(),
            files: tempfile::tempdir().expect("a directory for documents"),
            played: 0,
            durations: BTreeMap::new(),
        }
    }

    /// The points that a run of this mode comes by.
    pub(crate) fn points_of(&mut self, mode: &'static Mode) -> Vec<Point> {
        let scene = self.set(mode);
        let notes = scene.files.join("points");
        fs::create_dir_all(&notes).expect("a directory for notes");
        let all: Vec<String> = Point::ALL
            .iter()
            .map(|point| format!("{}=note:{}", point.name(), notes.display()))
            .collect();
        let begun = Instant::now();
        let outcome = scene.start(&all.join(";")).finish();
        assert!(outcome.status.success(), "{}: {outcome:#?}", mode.name);
        self.durations.insert(mode.name, begun.elapsed());
        self.clear(&scene);
        Point::ALL
            .into_iter()
            .filter(|point| notes.join(point.name()).exists())
            .collect()
    }

    /// Plays a cell; a word for the table, or what is wrong.
    pub(crate) fn play(&mut self, cell: Cell) -> Result<&'static str, String> {
        let scene = self.set(cell.mode);
        let struck = self.strike(&scene, cell)?;
        for side in [&self.source, &self.dest] {
            side.mend();
            side.until_up();
        }
        if struck.status.code() == Some(101) {
            return Err(format!("it panicked: {}", struck.stderr));
        }
        self.repeat(&scene)
            .map_err(|why| format!("{why}\nfirst: {}", struck.stderr))?;
        self.clear(&scene);
        Ok(if struck.status.success() {
            "done at once"
        } else {
            "done by the next"
        })
    }

    /// Kills a run of this mode when this share of the time that a whole one takes is over.
    pub(crate) fn kill(&mut self, mode: &'static Mode, share: f64) -> Result<(), String> {
        let whole = *self
            .durations
            .get(mode.name)
            .expect("it has been looked at");
        let scene = self.set(mode);
        let running = scene.start("");
        std::thread::sleep(whole.mul_f64(share));
        running.kill();
        self.repeat(&scene)?;
        self.clear(&scene);
        Ok(())
    }

    /// The same command again completes what was begun, and leaves nothing.
    fn repeat(&self, scene: &Scene) -> Result<(), String> {
        let again = scene.start("").finish();
        if !again.status.success() {
            return Err(format!("the next run failed: {}", again.stderr));
        }
        self.look(scene)
            .map_err(|why| format!("{why}\nnext: {}", again.stderr))
    }

    fn strike(&mut self, scene: &Scene, cell: Cell) -> Result<Outcome, String> {
        let point = cell.point.name();
        if let Some(action) = cell.fault.action() {
            return Ok(scene.start(&format!("{point}={action}")).finish());
        }
        let running = scene.start(&format!("{point}=hold:{}", scene.files.display()));
        let note = scene.files.join(point);
        let begun = Instant::now();
        while !note.exists() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("it does not come to {point}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        cell.fault
            .strike(&mut self.source, &mut self.dest, &scene.database);
        fs::remove_file(note).expect("the run waits for that");
        Ok(running.finish())
    }

    fn set(&mut self, mode: &'static Mode) -> Scene {
        self.played += 1;
        let database = format!("cell_{}", self.played);
        for side in [&self.source, &self.dest] {
            side.create(&database);
        }
        let (source, dest) = (self.source.url(&database), self.dest.url(&database));
        support::sql(&source, &mode.source_begins());
        support::sql(&dest, &mode.dest_begins());
        let files = self.files.path().join(&database);
        fs::create_dir_all(&files).expect("a directory for the cell");
        let document = mode.document(
            &self.source.relayed_url(&database),
            &self.dest.relayed_url(&database),
        );
        let path = files.join("pipeline.json");
        fs::write(&path, document.to_string()).expect("the document can be written");
        let scene = Scene {
            mode,
            database,
            files,
            document: path,
        };
        for command in mode.commands_before() {
            let outcome = scene.command(command).finish();
            assert!(outcome.status.success(), "{}: {outcome:#?}", mode.name);
        }
        support::sql(&source, &mode.source_changes());
        scene
    }

    fn clear(&self, scene: &Scene) {
        support::sql(&self.source.url(&scene.database), DROP_SLOTS);
        for side in [&self.source, &self.dest] {
            side.drop_database(&scene.database);
        }
    }

    /// Both sides agree, and nothing is left behind.
    fn look(&self, scene: &Scene) -> Result<(), String> {
        let (source, dest) = (
            self.source.url(&scene.database),
            self.dest.url(&scene.database),
        );
        let ask = |url: &str, what: &str, sql: &str| {
            support::try_sql(url, sql).map_err(|e| format!("{what}: {e:?}"))
        };
        let there = ask(&source, "the source", &scene.mode.agreement())?;
        let here = ask(&dest, "the destination", &scene.mode.agreement_at_dest())?;
        if there != here {
            return Err(format!("the source has {there}, the destination {here}"));
        }
        for (side, url) in [("source", &source), ("destination", &dest)] {
            let left = [
                (
                    "prepared transactions",
                    "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
                        .to_owned(),
                ),
                (
                    "relations",
                    format!(
                        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                         WHERE nspname = 'rb_bench' AND relkind IN ('r', 'S') AND relname NOT IN ({KEPT})"
                    ),
                ),
                (
                    "advisory locks",
                    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND database = \
                     (SELECT oid FROM pg_database WHERE datname = current_database())"
                        .to_owned(),
                ),
            ];
            for (what, sql) in left {
                let left = ask(url, what, &sql)?;
                if !left.is_empty() {
                    return Err(format!("{what} left at the {side}: {left}"));
                }
            }
        }
        let unsettled = "SELECT run, state FROM rb_bench.runs WHERE state <> 'committed'";
        if ask(&dest, "the ledger", "SELECT to_regclass('rb_bench.runs')")?.is_empty() {
            return Ok(());
        }
        match ask(&dest, "the ledger", unsettled)?.as_str() {
            "" => Ok(()),
            left => Err(format!("unsettled runs: {left}")),
        }
    }
}

/// A cell's databases and document.
struct Scene {
    mode: &'static Mode,
    database: String,
    files: PathBuf,
    document: PathBuf,
}

impl Scene {
    /// Starts the run under test with these fail points; the same command every time.
    fn start(&self, points: &str) -> Running {
        let mut command = support::command(Path::new(support::BINARY));
        command.arg("run").arg(&self.document);
        if self.mode.run_id {
            command.args(["--run-id", "cell"]);
        }
        if !points.is_empty() {
            command.env("RB_BENCH_FAIL_POINTS", points);
        }
        Running::start(command, &self.files.join("run"))
    }

    /// Starts another command on the document.
    fn command(&self, words: &[&str]) -> Running {
        let mut command = support::command(Path::new(support::BINARY));
        command.args(words).arg(&self.document);
        Running::start(command, &self.files.join("before"))
    }
}

/// Puts the whole table into the paper, between its marks.
pub(crate) fn write_into_papers(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAPER);
    let paper = fs::read_to_string(&path).expect("the paper is there");
    let (head, rest) = paper.split_once(MARKS.0).expect("its first mark");
    let (_, tail) = rest.split_once(MARKS.1).expect("its last mark");
    let paper = format!("{head}{}\n{table}\n{}{tail}", MARKS.0, MARKS.1);
    fs::write(&path, paper).expect("the paper can be written");
}
