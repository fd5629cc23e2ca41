//! Every key, in one table: what it is called, where it works, what it does, and how it is offered.
//!
//! The footer, the help screen and the tables of the README and docs/workbench.md are made from it, so that none of them can tell
//! something else than what happens.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub use super::action::{Action, Motion};
use super::app::Screen;
use crate::bench::order::Arm;

/// Where a key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On every screen.
    Everywhere,
    /// On these screens.
    On(&'static [Screen]),
    /// Where help, the log or an explanation lies over the screen.
    Overlay,
    /// Where a command is typed.
    Prompt,
    /// In the question what is to become of the run.
    Quitting,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys, as a person writes them.
    pub keys: &'static str,
    /// The key events.
    pub events: &'static [(KeyCode, KeyModifiers)],
    /// Where they work.
    pub place: Place,
    /// What they do.
    pub action: Action,
    /// The same in words, for help and README.
    pub text: &'static str,
    /// The word in the footer; empty where the footer does not offer it.
    pub hint: &'static str,
    /// Which hints stay where there is little room: the lowest.
    pub priority: u8,
}

/// The hints that a first session needs have at most this priority.
const FIRST: u8 = 2;

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

const fn key(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), NONE)
}

const fn ctrl(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), CTRL)
}

const fn code(code: KeyCode) -> (KeyCode, KeyModifiers) {
    (code, NONE)
}

const fn bind(
    keys: &'static str,
    events: &'static [(KeyCode, KeyModifiers)],
    place: Place,
    action: Action,
    text: &'static str,
) -> Binding {
    Binding {
        keys,
        events,
        place,
        action,
        text,
        hint: "",
        priority: u8::MAX,
    }
}

const fn hinted(binding: Binding, hint: &'static str, priority: u8) -> Binding {
    Binding {
        hint,
        priority,
        ..binding
    }
}

use Action as A;
use Motion as M;
use Place::{Everywhere, On, Overlay, Prompt, Quitting};

const RUN: Place = On(&[Screen::Run]);
const PROFILE: Place = On(&[Screen::Profile]);
/// Where a session may be under way.
const LIVE: Place = On(&[Screen::Run, Screen::Tune]);
/// Where there are columns to go to.
const SIDEWAYS: Place = On(&[Screen::Compare, Screen::History, Screen::Profile]);
const NOT_PROFILE: Place = On(&[Screen::Run, Screen::Tune, Screen::Compare, Screen::History]);
const TUNE: Place = On(&[Screen::Tune]);
const COMPARE: Place = On(&[Screen::Compare]);
const HISTORY: Place = On(&[Screen::History]);
/// What shows saved artifacts.
const SAVED: Place = On(&[Screen::Tune, Screen::Compare, Screen::History]);
/// What lists something that can be filtered, without room in the footer to say so.
const FILTERED: Place = On(&[Screen::Run, Screen::Profile]);
/// What says what is going to be measured, and how wide.
const CHOSEN: Place = On(&[Screen::Run, Screen::Profile]);
/// Where nothing moves by itself.
const STILL: Place = On(&[Screen::Compare, Screen::History, Screen::Profile]);
/// Where several panes matter, and where the footer has no room to say so.
const PANES: Place = On(&[Screen::Run, Screen::Tune, Screen::Compare]);
const UNHINTED: Place = On(&[Screen::History, Screen::Profile]);

/// Every key: those of one screen first, for they are offered first.
#[rustfmt::skip]
pub const KEYMAP: &[Binding] = &[
    hinted(bind("g", &[key('g')], PROFILE, A::Run, "run what is chosen"), "run", 1),
    hinted(bind("Enter", &[code(KeyCode::Enter)], PROFILE, A::Open, "edit the setting, choose the profile; Enter keeps what was typed, Esc does not"), "edit", 2),
    hinted(bind("e", &[key('e')], PROFILE, A::Editor, "edit the document in $EDITOR"), "$EDITOR", 4),
    hinted(bind("u", &[key('u')], PROFILE, A::Reset, "undo the change of the setting"), "undo", 5),
    bind("a", &[key('a')], PROFILE, A::Add, "set something that is not in the list, KEY=VALUE"),
    hinted(bind("r", &[key('r')], RUN, A::Run, "run what is chosen"), "run", 1),
    hinted(bind("p", &[key('p')], LIVE, A::Pause, "pause the engine after this pair, and go on"), "pause", 2),
    bind("l", &[key('l')], LIVE, A::Log, "all events"),
    hinted(bind("/", &[key('/')], HISTORY, A::Filter, "filter; Enter keeps the filter, Esc clears it"), "filter", 7),
    bind("/", &[key('/')], FILTERED, A::Filter, "filter; Enter keeps the filter, Esc clears it"),
    bind("s", &[key('s')], On(&[Screen::Run, Screen::History]), A::Sort, "sort by the next column"),
    bind("I", &[key('I'), (KeyCode::Char('I'), SHIFT)], On(&[Screen::Run, Screen::History]), A::Invert, "sort the other way round"),
    bind("Enter", &[code(KeyCode::Enter)], RUN, A::Open, "open what the pane is about: the explanation, the comparison, all events"),
    hinted(bind("t", &[key('t')], TUNE, A::Tune, "tune the parallelism of what is chosen"), "tune", 1),
    bind("t", &[key('t')], CHOSEN, A::Tune, "tune the parallelism of what is chosen"),
    hinted(bind("w", &[key('w')], TUNE, A::Write, "write the choice into a pipeline document or profile"), "write", 3),
    bind("r", &[key('r')], TUNE, A::Resume, "go on with the tuning that was interrupted"),
    bind("i", &[key('i')], TUNE, A::Isolate, "which side limits: the whole, the source alone, the destination alone"),
    bind("n", &[key('n')], TUNE, A::Calibrate, "measure the noise of this machine and profile"),
    hinted(bind("v", &[key('v')], COMPARE, A::Shape, "latencies back to back, over each other, as a table"), "view", 1),
    hinted(bind("c", &[key('c')], COMPARE, A::OtherPair, "compare another two: the newest session's arms, the newest with the one before, the marked"), "other two", 2),
    hinted(bind("a", &[key('a')], COMPARE, A::Allow, "let the chosen condition differ, as --allow does; again: no longer"), "allow", 4),
    hinted(bind("Enter", &[code(KeyCode::Enter)], HISTORY, A::Open, "compare a session's arms, open a tuning"), "open", 1),
    hinted(bind("b", &[key('b')], HISTORY, A::Mark(Arm::Before), "mark as before; again: no longer"), "before", 2),
    hinted(bind("a", &[key('a')], HISTORY, A::Mark(Arm::After), "mark as after; again: no longer"), "after", 2),
    hinted(bind("c", &[key('c')], HISTORY, A::CompareMarked, "compare the marked two"), "compare", 2),
    bind("e", &[key('e')], HISTORY, A::Export, "write the session as .csv, .hlog or Bencher's .json"),
    bind("D", &[key('D'), (KeyCode::Char('D'), SHIFT)], HISTORY, A::Delete, "delete the file; asks first"),
    hinted(bind("o", &[key('o')], COMPARE, A::Page, "write a page for a browser"), "page", 5),
    bind("o", &[key('o')], On(&[Screen::Tune, Screen::History]), A::Page, "write a page for a browser"),

    hinted(bind("Space", &[key(' ')], LIVE, A::Freeze, "freeze the display only, and go on"), "freeze", 4),
    bind("Space", &[key(' ')], STILL, A::Freeze, "freeze the display only, and go on"),
    bind("z", &[key('z')], Everywhere, A::Zoom, "give the pane the whole screen, and take it back"),
    hinted(bind("x", &[key('x')], CHOSEN, A::Explain, "explain the resolved parallelism"), "explain", 5),
    bind("x", &[key('x')], SAVED, A::Explain, "explain the resolved parallelism"),
    hinted(bind("Tab", &[code(KeyCode::Tab)], PANES, A::NextPane, "next pane"), "pane", 9),
    bind("Tab", &[code(KeyCode::Tab)], UNHINTED, A::NextPane, "next pane"),
    bind("S-Tab", &[code(KeyCode::BackTab), (KeyCode::BackTab, SHIFT)], Everywhere, A::PreviousPane, "pane before"),
    bind("1", &[key('1')], Everywhere, A::Show(Screen::Run), "the run"),
    bind("2", &[key('2')], Everywhere, A::Show(Screen::Tune), "tuning"),
    bind("3", &[key('3')], Everywhere, A::Show(Screen::Compare), "before against after"),
    bind("4", &[key('4')], Everywhere, A::Show(Screen::History), "saved sessions"),
    bind("5", &[key('5')], Everywhere, A::Show(Screen::Profile), "what is measured"),

    bind("k, Up", &[key('k'), code(KeyCode::Up)], Everywhere, A::Move(M::Up), "up"),
    bind("j, Down", &[key('j'), code(KeyCode::Down)], Everywhere, A::Move(M::Down), "down"),
    bind("Left", &[code(KeyCode::Left)], Everywhere, A::Move(M::Left), "to the left"),
    bind("Right", &[code(KeyCode::Right)], Everywhere, A::Move(M::Right), "to the right"),
    bind("h", &[key('h')], SIDEWAYS, A::Move(M::Left), "to the left"),
    bind("l", &[key('l')], SIDEWAYS, A::Move(M::Right), "to the right"),
    bind("g", &[key('g')], NOT_PROFILE, A::Move(M::First), "to the first"),
    bind("Home", &[code(KeyCode::Home)], Everywhere, A::Move(M::First), "to the first"),
    bind("G, End", &[key('G'), (KeyCode::Char('G'), SHIFT), code(KeyCode::End)], Everywhere, A::Move(M::Last), "to the last"),
    bind("PgUp", &[code(KeyCode::PageUp)], Everywhere, A::Move(M::PageUp), "a page up"),
    bind("PgDn", &[code(KeyCode::PageDown)], Everywhere, A::Move(M::PageDown), "a page down"),
    bind("^u", &[ctrl('u')], Everywhere, A::Move(M::HalfUp), "half a page up"),
    bind("^d", &[ctrl('d')], Everywhere, A::Move(M::HalfDown), "half a page down"),

    bind("y", &[key('y')], Everywhere, A::Copy, "copy what the screen shows, as markdown"),
    bind("m", &[key('m')], Everywhere, A::Mouse, "take the mouse, or leave it to the terminal"),
    bind("F", &[key('F'), (KeyCode::Char('F'), SHIFT)], Everywhere, A::Finish, "let the run end after this pair, and stay; again: let it go on"),
    hinted(bind("!", &[key('!'), (KeyCode::Char('!'), SHIFT)], Everywhere, A::Command, "run any other command of rb-bench, typed with Tab to complete it"), "command", 2),
    hinted(bind("?", &[key('?'), (KeyCode::Char('?'), SHIFT), code(KeyCode::F(1))], Everywhere, A::Help, "help for this screen"), "help", 0),
    hinted(bind("q", &[key('q')], Everywhere, A::Back, "back; during a run it asks: finish the pair, abort, stay"), "quit", 0),
    bind("Esc", &[code(KeyCode::Esc)], Everywhere, A::Escape, "clear the filter, back from zoom"),
    bind("Q", &[key('Q'), (KeyCode::Char('Q'), SHIFT)], Everywhere, A::QuitWithSummary, "quit, leaving the summary in the scrollback"),
    bind("^c", &[ctrl('c')], Everywhere, A::Abort, "abort the run cleanly, keep a partial artifact; a second one leaves at once"),
    bind("^z", &[ctrl('z')], Everywhere, A::Suspend, "suspend; `fg` resumes"),
    bind("^l", &[ctrl('l')], Everywhere, A::Redraw, "draw everything anew"),

    hinted(bind("j, Down", &[key('j'), code(KeyCode::Down)], Overlay, A::Move(M::Down), "down"), "down", 2),
    hinted(bind("k, Up", &[key('k'), code(KeyCode::Up)], Overlay, A::Move(M::Up), "up"), "up", 3),
    bind("g, Home", &[key('g'), code(KeyCode::Home)], Overlay, A::Move(M::First), "to the first line"),
    bind("G, End", &[key('G'), (KeyCode::Char('G'), SHIFT), code(KeyCode::End)], Overlay, A::Move(M::Last), "to the last line"),
    bind("PgUp, ^u", &[code(KeyCode::PageUp), ctrl('u')], Overlay, A::Move(M::PageUp), "a page up"),
    bind("PgDn, ^d", &[code(KeyCode::PageDown), ctrl('d')], Overlay, A::Move(M::PageDown), "a page down"),
    bind("y", &[key('y')], Overlay, A::Copy, "copy this text"),
    hinted(bind("q, Esc, Enter", &[key('q'), code(KeyCode::Esc), code(KeyCode::Enter)], Overlay, A::Escape, "close"), "close", 1),
    bind("?, x, l", &[key('?'), (KeyCode::Char('?'), SHIFT), key('x'), key('l')], Overlay, A::Escape, "close"),
    bind("^c", &[ctrl('c')], Overlay, A::Abort, "abort the run cleanly"),
    bind("^z", &[ctrl('z')], Overlay, A::Suspend, "suspend"),
    bind("^l", &[ctrl('l')], Overlay, A::Redraw, "draw everything anew"),

    hinted(bind("Enter", &[code(KeyCode::Enter)], Prompt, A::Run, "run it; the terminal is its own until it ends"), "run", 1),
    hinted(bind("Tab", &[code(KeyCode::Tab)], Prompt, A::Complete, "complete the word, with the chosen session where one can stand"), "complete", 2),
    hinted(bind("Up", &[code(KeyCode::Up)], Prompt, A::Move(M::Up), "the line that was run before"), "before", 3),
    hinted(bind("Down", &[code(KeyCode::Down)], Prompt, A::Move(M::Down), "the line that was run after it"), "after", 4),
    hinted(bind("Esc, ^c", &[code(KeyCode::Esc), ctrl('c')], Prompt, A::Escape, "close"), "close", 1),
    bind("^z", &[ctrl('z')], Prompt, A::Suspend, "suspend"),
    bind("^l", &[ctrl('l')], Prompt, A::Redraw, "draw everything anew"),

    hinted(bind("f", &[key('f')], Quitting, A::FinishPair, "finish this pair, keep what was measured, then quit"), "finish the pair", 1),
    hinted(bind("a", &[key('a')], Quitting, A::AbortRun, "abort now, keep what was measured, then quit"), "abort", 2),
    hinted(bind("Esc, s, q, n", &[code(KeyCode::Esc), key('s'), key('q'), key('n')], Quitting, A::Stay, "stay"), "stay", 3),
    bind("^c", &[ctrl('c')], Quitting, A::Abort, "abort the run cleanly"),
    bind("^z", &[ctrl('z')], Quitting, A::Suspend, "suspend"),
    bind("^l", &[ctrl('l')], Quitting, A::Redraw, "draw everything anew"),
];

/// Where the user is: what of the table counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// On a screen.
    Screen(Screen),
    /// In a text that lies over it.
    Overlay,
    /// Where a command is typed.
    Prompt,
    /// In the question what is to become of the run.
    Quitting,
}

impl Binding {
    /// Whether it counts there.
    #[must_use]
    pub fn is_in(&self, context: Context) -> bool {
        match (self.place, context) {
            (Everywhere, Context::Screen(_))
            | (Overlay, Context::Overlay)
            | (Prompt, Context::Prompt)
            | (Quitting, Context::Quitting) => true,
            (On(screens), Context::Screen(screen)) => screens.contains(&screen),
            _ => false,
        }
    }
}

/// What a key asks for there.
#[must_use]
pub fn lookup(context: Context, event: &KeyEvent) -> Option<Action> {
    // terminals report Shift with a capital, or leave it out
    let pressed = (event.code, event.modifiers);
    KEYMAP
        .iter()
        .find(|binding| binding.is_in(context) && binding.events.contains(&pressed))
        .map(|binding| binding.action)
}

/// The hints for there, `key word`, as many as fit into so many columns, in the order of the table.
#[must_use]
pub fn hints(context: Context, width: usize) -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<(usize, &Binding)> = KEYMAP
        .iter()
        .enumerate()
        .filter(|(_, binding)| !binding.hint.is_empty() && binding.is_in(context))
        .collect();
    all.sort_by_key(|(n, binding)| (binding.priority, *n));
    let mut used = 0;
    let mut fitting: Vec<(usize, &Binding)> = Vec::new();
    for (n, binding) in all {
        let needed = width_of(binding);
        if used + needed > width {
            break;
        }
        used += needed;
        fitting.push((n, binding));
    }
    fitting.sort_by_key(|(n, _)| *n);
    fitting
        .into_iter()
        .map(|(_, binding)| (first_key(binding), binding.hint))
        .collect()
}

/// Columns of a hint, with the gap before it.
fn width_of(binding: &Binding) -> usize {
    first_key(binding).len() + 1 + binding.hint.len() + 2
}

/// The first of the keys, as the footer names it.
fn first_key(binding: &Binding) -> &'static str {
    let keys = binding.keys;
    keys.split(", ").next().unwrap_or(keys).trim()
}

/// The keys for there in the table's order, each with its text: for help.
pub fn help(context: Context) -> impl Iterator<Item = &'static Binding> {
    KEYMAP.iter().filter(move |binding| binding.is_in(context))
}

/// The table as `docs/workbench.md` has it.
#[must_use]
pub fn markdown() -> String {
    table(|_| true)
}

/// Those that a first session needs, as the README has them: what the footers offer first.
#[must_use]
pub fn first_keys() -> String {
    table(|binding| binding.priority <= FIRST && matches!(binding.place, On(_) | Everywhere))
}

fn table(shown: impl Fn(&Binding) -> bool) -> String {
    use std::fmt::Write as _;

    let mut table = String::from("| key | where | does |\n| --- | --- | --- |\n");
    let mut told: Vec<(&str, &str)> = Vec::new();
    for binding in KEYMAP.iter().filter(|binding| shown(binding)) {
        // a key that the footers of some screens offer, and those of others do not, is one line
        let name = (binding.keys, binding.text);
        if told.contains(&name) {
            continue;
        }
        told.push(name);
        let place = match binding.place {
            Everywhere => "everywhere".to_owned(),
            Overlay => "help, log, explanation".to_owned(),
            Prompt => "the prompt".to_owned(),
            Quitting => "the question on quitting".to_owned(),
            On(_) => screens_of(name),
        };
        let keys: Vec<String> = binding
            .keys
            .split(", ")
            .map(|key| format!("`{key}`"))
            .collect();
        // writing to a String cannot fail
        let _ = writeln!(table, "| {} | {place} | {} |", keys.join(" "), binding.text);
    }
    table
}

/// The screens that a key does this on.
fn screens_of((keys, text): (&str, &str)) -> String {
    let is_there = |screen: &Screen| {
        let context = Context::Screen(*screen);
        let mut there = KEYMAP.iter().filter(|binding| binding.is_in(context));
        there.any(|binding| (binding.keys, binding.text) == (keys, text))
    };
    let screens: Vec<Screen> = Screen::ALL.into_iter().filter(is_there).collect();
    if screens.len() == Screen::ALL.len() {
        return "everywhere".to_owned();
    }
    let names: Vec<&str> = screens.iter().map(|screen| screen.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts() -> Vec<Context> {
        let screens = Screen::ALL.into_iter().map(Context::Screen);
        screens
            .chain([Context::Overlay, Context::Prompt, Context::Quitting])
            .collect()
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for context in contexts() {
            let mut seen = Vec::new();
            for binding in help(context) {
                for event in binding.events {
                    assert!(!seen.contains(event), "{event:?} twice in {context:?}");
                    seen.push(*event);
                }
            }
            assert!(!seen.is_empty());
        }
    }

    #[test]
    fn every_key_is_offered_in_words_and_does_what_it_says() {
        for binding in KEYMAP {
            assert!(!binding.text.is_empty() && !binding.events.is_empty());
            assert!(!binding.keys.is_empty());
        }
        let pressed = KeyEvent::new(KeyCode::Char('g'), NONE);
        let profile = Context::Screen(Screen::Profile);
        assert_eq!(lookup(profile, &pressed), Some(A::Run));
        let run = Context::Screen(Screen::Run);
        assert_eq!(lookup(run, &pressed), Some(A::Move(M::First)));
    }

    #[test]
    fn every_hint_fits_into_80_columns() {
        for context in contexts() {
            let all = KEYMAP
                .iter()
                .filter(|b| !b.hint.is_empty() && b.is_in(context));
            let count = all.count();
            assert_eq!(hints(context, 80).len(), count, "{context:?}");
        }
    }

    #[test]
    fn where_there_is_little_room_help_and_the_way_out_stay() {
        let hints = hints(Context::Screen(Screen::Run), 20);
        assert_eq!(hints, [("?", "help"), ("q", "quit")]);
    }

    #[test]
    fn the_pages_have_these_keys() {
        let pages = [
            ("README", include_str!("../../README.md"), first_keys()),
            (
                "docs/workbench",
                include_str!("../../docs/workbench.md"),
                markdown(),
            ),
        ];
        for (page, text, table) in pages {
            assert!(
                text.contains(&table),
                "{page}.md's table of keys is not this one:\n{table}"
            );
        }
    }
}
