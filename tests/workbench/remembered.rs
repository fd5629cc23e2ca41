//! What was chosen in the last workbench, in the next one: from another directory, and when it is gone.

use std::fs;

use crate::place::Place;
use crate::terminal::{Terminal, Workbench};

/// The shortest profile, with a setting of its own.
const MINE: &str = r#"profile: mine
dataset:
  table: t
  rows: 200
  columns: [{ name: id, type: bigint, primary_key: true, expr: "i" }]
pipeline:
  version: "1.0"
  pipeline: mine
  source: { use: source-postgres, streams: [{ name: t }] }
  destination: { use: dest-postgres }
  resources: { chunk_bytes: 7340032 }
bench: { warmup: 0, iters: 1 }
"#;

#[test]
fn a_profile_is_found_from_another_directory_and_one_that_is_gone_is_told() {
    let place = Place::with_server();
    let (file, elsewhere) = (
        place.path().join("mine.yaml"),
        place.path().join("elsewhere"),
    );
    fs::write(&file, MINE).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    let opened = |directory, arguments: &[&str], shown: &[&str]| {
        let mut terminal = Terminal::new(120, 36);
        let mut workbench = Workbench::start_from(directory, &mut terminal, &place, arguments, &[]);
        for text in shown {
            terminal.wait_for(text);
        }
        terminal.press("q");
        assert_eq!(workbench.exit_code(), 0);
    };
    let run = ["--profile", "mine.yaml", "--guard", "off"];
    opened(place.path(), &run, &["DONE"]);
    opened(&elsewhere, &[], &["resources.chunk_bytes", "7340032"]);
    opened(place.path(), &[], &["resources.chunk_bytes", "7340032"]);
    fs::remove_file(&file).unwrap();
    let gone = "this is medium: what was chosen last is not there any more";
    opened(&elsewhere, &[], &[gone, "resources.parallelism"]);
}
