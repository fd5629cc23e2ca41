//! Archives of small sessions: what is found by which word, and when a file is read again.

use super::*;
use crate::bench::artifact::Status;
use crate::bench::examples;
use crate::bench::store::Output;

/// A directory with one session for each (id, time of day, profile, label).
fn archive_of(sessions: &[(&str, &str, &str, Option<&str>)]) -> (tempfile::TempDir, Archive) {
    let place = tempfile::tempdir().unwrap();
    let output = Output::at(place.path()).unwrap();
    for (id, time, profile, label) in sessions {
        let mut session = examples::session();
        session.id = (*id).into();
        session.created_at = format!("2026-11-23T{time}Z");
        session.profile.name = (*profile).into();
        session.label = label.map(str::to_owned);
        output.save(&session).unwrap();
    }
    let archive = Archive::open(place.path()).unwrap();
    (place, archive)
}

const FOUR: [(&str, &str, &str, Option<&str>); 4] = [
    ("aaaa0001", "10:00:00", "small", Some("first")),
    ("aaaa0002", "11:00:00", "medium", None),
    ("bbbb0003", "12:00:00", "small", Some("first")),
    ("cccc0004", "13:00:00", "medium", None),
];

#[test]
fn a_session_is_found_by_every_word_for_it() {
    let (_place, archive) = archive_of(&FOUR);
    let found = |word: &str| archive.find(word).unwrap().id.as_str();
    assert_eq!(found("latest"), "cccc0004");
    // the one before it of the same profile
    assert_eq!(found("previous"), "aaaa0002");
    assert_eq!(found("bbbb"), "bbbb0003");
    assert_eq!(found("aaaa0001"), "aaaa0001");
    assert_eq!(found("first"), "bbbb0003");
}

#[test]
fn a_word_for_nothing_or_for_several_is_an_error() {
    let (place, archive) = archive_of(&FOUR);
    let told = |word: &str| {
        let error = archive.find(word).unwrap_err().to_string();
        error.replace(&place.path().display().to_string(), "results")
    };
    insta::assert_snapshot!(told("aaaa"), @"
    `aaaa` is the beginning of aaaa0001, aaaa0002
      what to do: give more digits
    ");
    insta::assert_snapshot!(told("firts"), @"
    there is no session `firts` (did you mean `first`?) in results
      what to do: `rb-bench history` lists what there is; --out DIR looks elsewhere
    ");
    insta::assert_snapshot!(told("aaa"), @"
    there is no session `aaa` in results
      what to do: `rb-bench history` lists what there is; --out DIR looks elsewhere
    ");
    let (place, archive) = archive_of(&FOUR[..1]);
    let told = |word: &str| {
        let error = archive.find(word).unwrap_err().to_string();
        error.replace(&place.path().display().to_string(), "results")
    };
    insta::assert_snapshot!(told("previous"), @"
    there is no session of profile small before the latest, aaaa0001 in results
      what to do: `rb-bench history` lists what there is; --out DIR looks elsewhere
    ");
    let nothing = Archive::open(&place.path().join("missing")).unwrap();
    assert_eq!(nothing.find("latest").unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_file_that_did_not_change_is_not_read_again() {
    let (place, archive) = archive_of(&FOUR[..2]);
    let path = archive.path(&archive.entries()[0]);
    let stamp = fs::metadata(&path).unwrap();
    // other bytes of the same size and time: only who reads the file sees them
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("aaaa0001", "eeee0001")).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(stamp.modified().unwrap()).unwrap();
    let ids = |archive: &Archive| -> Vec<String> {
        archive.entries().iter().map(|e| e.id.clone()).collect()
    };
    assert_eq!(
        ids(&Archive::open(place.path()).unwrap()),
        ["aaaa0001", "aaaa0002"]
    );
    // without the index, and with one that is no index, everything is read
    for ruin in [None, Some("{}")] {
        let index = fs::read_dir(place.path())
            .unwrap()
            .map(|e| e.unwrap().path());
        let index = index
            .into_iter()
            .find(|p| p.to_string_lossy().contains("/.rb-bench-index"));
        match ruin {
            None => fs::remove_file(index.unwrap()).unwrap(),
            Some(text) => fs::write(index.unwrap(), text).unwrap(),
        }
        assert_eq!(
            ids(&Archive::open(place.path()).unwrap()),
            ["eeee0001", "aaaa0002"]
        );
    }
}

#[test]
fn what_changed_or_went_away_is_seen() {
    let (place, archive) = archive_of(&FOUR[..2]);
    let path = archive.path(&archive.entries()[0]);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("\"label\": \"first\"", "\"label\": \"another\""),
    )
    .unwrap();
    let again = Archive::open(place.path()).unwrap();
    assert_eq!(again.entries()[0].label.as_deref(), Some("another"));
    again.remove(&again.entries()[1]).unwrap();
    assert_eq!(Archive::open(place.path()).unwrap().entries().len(), 1);
}

#[test]
fn what_is_no_session_is_told_or_passed_over() {
    let (place, _) = archive_of(&FOUR[..1]);
    for (name, text) in [
        ("cut.json", "{\"schema\": \"rb-bench.run.v1\","),
        ("newer.json", "{\"schema\": \"rb-bench.run.v9\"}"),
        ("cut-tune.json", "{\"schema\": \"rb-bench.tune.v1\"}"),
        ("other.json", "{\"schema\": \"rb-bench.compare.v1\"}"),
        ("notes.txt", "hello"),
        (".hidden.json", "hello"),
    ] {
        fs::write(place.path().join(name), text).unwrap();
    }
    let archive = Archive::open(place.path()).unwrap();
    assert_eq!(archive.entries().len(), 1);
    // who lists them names the file; nobody is told what a parser calls it
    for one in archive.unreadable() {
        assert!(one.reason.starts_with("it "), "{}", one.reason);
        assert!(!one.reason.contains(".json"), "{}", one.reason);
    }
    let mut files: Vec<&str> = archive
        .unreadable()
        .iter()
        .map(|u| u.file.as_str())
        .collect();
    files.sort_unstable();
    assert_eq!(files, ["cut-tune.json", "cut.json", "newer.json"]);
    let newer = archive.unreadable().iter().find(|u| u.file == "newer.json");
    assert_eq!(newer.unwrap().reason, "it has the format `rb-bench.run.v9`");
}

#[test]
fn a_tuning_is_listed_beside_the_sessions() {
    let (place, _) = archive_of(&FOUR[..1]);
    let mut tuning = examples::tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
    tuning.summary = crate::bench::tune::summary::of(&tuning, Status::Complete, None);
    Output::at(place.path()).unwrap().save(&tuning).unwrap();
    // the second look is at the index
    for _ in 0..2 {
        let archive = Archive::open(place.path()).unwrap();
        assert_eq!(archive.entries().len(), 1);
        let [entry] = archive.tunings() else {
            panic!("{:?}", archive.tunings());
        };
        assert_eq!(entry.choice.as_deref(), Some("2"));
        assert_eq!(entry.knob.as_deref(), Some("resources.parallelism"));
        assert_eq!((entry.iterations, entry.status), (6, Status::Complete));
        assert!(place.path().join(&entry.file).is_file());
    }
}

#[test]
fn a_path_needs_no_archive() {
    let (place, archive) = archive_of(&FOUR[..1]);
    let path = archive.path(&archive.entries()[0]);
    let elsewhere = Path::new("/nonexistent");
    let (session, found) = named(&path.display().to_string(), elsewhere).unwrap();
    assert_eq!((session.id.as_str(), found), ("aaaa0001", path));
    let error = named("gone.json", place.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("gone.json"), "{error}");
}

#[test]
fn an_index_from_elsewhere_cannot_name_another_file() {
    let (place, archive) = archive_of(&FOUR[..1]);
    let real = archive.entries()[0].file.clone();
    let index = place.path().join(".rb-bench-index.v3");
    let text = std::fs::read_to_string(&index).unwrap();
    let bent = text.replace(
        &format!("\"file\":\"{real}\""),
        "\"file\":\"../elsewhere.json\"",
    );
    assert_ne!(text, bent);
    std::fs::write(&index, bent).unwrap();
    let archive = Archive::open(place.path()).unwrap();
    assert_eq!(archive.entries()[0].file, real);
}
