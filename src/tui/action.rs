//! What keys ask for: the names by which `update` knows them, whatever key it was.

use super::app::Screen;
use crate::bench::order::Arm;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Show the keys of this screen.
    Help,
    /// Go to a screen.
    Show(Screen),
    /// Go to the next pane of the screen.
    NextPane,
    /// Go to the pane before.
    PreviousPane,
    /// Move within the pane.
    Move(Motion),
    /// Stop changing what is shown, and go on.
    Freeze,
    /// Let the engine wait after this pair, and go on.
    Pause,
    /// Give the pane the whole screen, and take it back.
    Zoom,
    /// Filter the pane.
    Filter,
    /// Sort by the next column.
    Sort,
    /// Sort the other way round.
    Invert,
    /// Open, choose, edit.
    Open,
    /// One step back; during a run ask what is to become of it.
    Back,
    /// Clear what was typed, or one step back.
    Escape,
    /// Show how the parallelism was resolved.
    Explain,
    /// Show all events.
    Log,
    /// Copy what the screen shows, as markdown.
    Copy,
    /// Take the mouse, or leave it to the terminal.
    Mouse,
    /// Abort the run; a second time, leave at once.
    Abort,
    /// Quit and leave the summary in the terminal.
    QuitWithSummary,
    /// Stop the process as in a shell.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Run what is chosen.
    Run,
    /// Edit the document in the user's editor.
    Editor,
    /// Forget the changes of a setting.
    Reset,
    /// Set something that is not in the list.
    Add,
    /// Let the run end after this pair.
    FinishPair,
    /// Abort the run from the dialog.
    AbortRun,
    /// Let the run end after this pair, and stay.
    Finish,
    /// Type a command of rb-bench.
    Command,
    /// Complete what is typed.
    Complete,
    /// Close the dialog and go on.
    Stay,
    /// Tune the parallelism of what is chosen.
    Tune,
    /// Measure the whole and each side alone.
    Isolate,
    /// Measure the noise of the machine.
    Calibrate,
    /// Go on with an interrupted tuning.
    Resume,
    /// Write the choice of the tuning into a document.
    Write,
    /// Write a page for a browser.
    Page,
    /// Write the session in another program's format.
    Export,
    /// Show latencies in another way.
    Shape,
    /// Compare another two.
    OtherPair,
    /// Let the chosen condition differ.
    Allow,
    /// Mark a session as this arm of a comparison.
    Mark(Arm),
    /// Compare the two that are marked.
    CompareMarked,
    /// Delete what is chosen.
    Delete,
}

/// A movement within a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// One up.
    Up,
    /// One down.
    Down,
    /// One to the left.
    Left,
    /// One to the right.
    Right,
    /// To the first.
    First,
    /// To the last.
    Last,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Half a page up.
    HalfUp,
    /// Half a page down.
    HalfDown,
}
