//! Moments at which a test makes the thread that draws fail.
//!
//! They exist only with the feature `fail-points`, which no release is built with: without it reaching one does
//! nothing. `RB_BENCH_SCREEN_FAILS` is `draw=FILE`, which panics in the frame that is drawn when FILE is there, or
//! `write=FILE`, whose frame the terminal does not take.

/// Where a test can take hold of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A frame is being made.
    Draw,
    /// A frame is handed to the terminal.
    Write,
}

/// Arrives at a point.
#[cfg(not(feature = "fail-points"))]
#[allow(
    clippy::unnecessary_wraps,
    reason = "with the feature it fails where a test wants it to"
)]
pub fn reach(_point: Point) -> std::io::Result<()> {
    Ok(())
}

/// Arrives at a point: whatever the test wants to happen there, happens.
#[cfg(feature = "fail-points")]
pub fn reach(point: Point) -> std::io::Result<()> {
    let wanted = std::env::var("RB_BENCH_SCREEN_FAILS").unwrap_or_default();
    let (name, file) = wanted.split_once('=').unwrap_or_default();
    let is_here = match point {
        Point::Draw => name == "draw",
        Point::Write => name == "write",
    };
    if !is_here || !std::path::Path::new(file).exists() {
        return Ok(());
    }
    match point {
        Point::Draw => panic!("a test made the drawing fail"),
        Point::Write => Err(std::io::Error::other("a test made the terminal fail")),
    }
}
