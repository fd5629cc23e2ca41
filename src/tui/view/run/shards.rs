//! One line a stream and worker, and under them what the servers say of each worker's backends.
//!
//! ```text
//! +- Shards 2 ------------------------------------------- (/ filter  s sort) --+
//! | shard stream            rows     MB/s  last 30 s   state     chunks done   |
//! |  0    bench_events      2.9k    146.3  .:-=+**##   copying   18 [#####---] |
//! |                                                                            |
//! | shard source backend                destination backend                    |
//! |  0    waits Client:ClientWrite      computes, COPY 1,204 rows              |
//! +----------------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::bench::server_work::BackendWork;
use crate::tui::app::App;
use crate::tui::live;
use crate::tui::snapshot::ShardRow;
use crate::tui::state::run::{Order, Pane};
use crate::tui::view::pane::{block, fitted, left, right, window, wrapped};
use crate::units::{Bytes, Rows};

/// Columns of everything but the stream's name and the sparkline.
const FIXED: usize = 4 + 1 + 8 + 1 + 7 + 2 + 2 + 9 + 1 + 14;

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let seen = &app.seen;
    let rows = app.run.arranged(&seen.shards);
    let mut title = format!("Shards {}", seen.shards.len());
    if !app.run.filter.is_empty() {
        title = format!(
            "Shards {} of {} with `{}`",
            rows.len(),
            seen.shards.len(),
            app.run.filter
        );
    }
    if app.run.order != Order::Number || app.run.is_inverted {
        let way = if app.run.is_inverted {
            ", inverted"
        } else {
            ""
        };
        title = format!("{title} by {}{way}", app.run.order.name());
    }
    let has_keys = app.run.pane == Pane::Shards;
    let pane = block(theme, &title, has_keys);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    if rows.is_empty() {
        let text = wrapped(&empty(app), width);
        let lines: Vec<Line> = text.into_iter().map(Line::raw).collect();
        frame.render_widget(Paragraph::new(Text::from(lines)), inner);
        return;
    }
    let mut lines = vec![Line::styled(header(app, width), theme.heading())];
    let room = height.saturating_sub(1);
    let first = window(app.run.scrolled[Pane::Shards as usize], rows.len(), room);
    for (number, shard) in rows.iter().skip(first).take(room) {
        lines.push(row(app, *number, shard, width));
    }
    // what the servers say goes where the table leaves room
    let left_over = height.saturating_sub(lines.len());
    if left_over >= 3 && !seen.server.is_hidden && rows.iter().any(|(_, s)| has_backend(s)) {
        lines.push(Line::raw(""));
        lines.push(Line::styled(
            format!(
                "{} {}{}",
                left(theme, "", 4),
                left(theme, "source backend", half(width)),
                "destination backend"
            ),
            theme.heading(),
        ));
        for (number, shard) in rows.iter().skip(first).take(left_over - 2) {
            lines.push(backends(app, *number, shard, width));
        }
    }
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}

fn has_backend(shard: &ShardRow) -> bool {
    shard.source_backend.is_some() || shard.dest_backend.is_some()
}

fn half(width: usize) -> usize {
    width.saturating_sub(5) / 2
}

/// What to say where there is no shard.
fn empty(app: &App) -> String {
    if !app.run.filter.is_empty() && !app.seen.shards.is_empty() {
        return "no stream with that in its name; Esc shows all".to_owned();
    }
    if app.running.is_none() {
        return format!(
            "Nothing is running. r runs {}; 5 shows and changes what is measured.",
            app.subject.name()
        );
    }
    if let Some((done, total)) = app.seen.seeding {
        let share = done as f64 / total.max(1) as f64;
        return format!(
            "{}\n{}",
            live::seeding(done, total),
            app.theme.bar(share, 40)
        );
    }
    match (&app.seen.upcoming, app.log.back()) {
        (None, Some(last)) => format!("{} ...", last.text),
        (None, None) => "preparing ...".to_owned(),
        (Some(_), _) => format!("{} ...", app.seen.phase.name()),
    }
}

/// Columns of the stream's name and of the sparkline.
fn widths(width: usize) -> (usize, usize) {
    let rest = width.saturating_sub(FIXED);
    let name = (rest * 6 / 10).clamp(8, 40);
    (name, rest.saturating_sub(name).min(60))
}

fn header(app: &App, width: usize) -> String {
    let theme = app.theme;
    let (name, spark) = widths(width);
    let seconds = if spark >= 9 { "last 30 s" } else { "" };
    format!(
        "{} {}{} {}  {}  {} {}",
        right(theme, "#", 4),
        left(theme, "stream", name),
        right(theme, "rows", 8),
        right(theme, "MB/s", 7),
        left(theme, seconds, spark),
        left(theme, "state", 9),
        left(theme, "chunks done", 13),
    )
}

fn row<'a>(app: &App, number: usize, shard: &ShardRow, width: usize) -> Line<'a> {
    let theme = app.theme;
    let (name, spark) = widths(width);
    let state = shard.state(app.seen.phase);
    let workers = app.seen.shards.len().max(1) as f64;
    let part = shard.chunks as f64 * workers / (app.seen.totals.chunks_total.max(1) as f64);
    Line::from(vec![
        Span::raw(format!(
            "{} {}{} {}  ",
            right(theme, &number.to_string(), 4),
            left(theme, name_of(app, &shard.stream), name),
            right(theme, &rows(shard.rows), 8),
            right(theme, &format!("{:.1}", shard.mb_per_s), 7),
        )),
        Span::styled(
            left(theme, &sparkline(app, shard, spark), spark),
            theme.after(),
        ),
        Span::raw(format!(
            "  {} {} [{}]",
            left(theme, state, 9),
            right(theme, &shard.chunks.to_string(), 4),
            theme.bar(part, 7)
        )),
    ])
}

/// The whole 30 s in few columns: each is the mean of its samples.
fn sparkline(app: &App, shard: &ShardRow, width: usize) -> String {
    let values = super::throughput::squeezed(&shard.rates, width);
    app.theme.sparkline(values.iter(), width)
}

/// The name without its schema, where no other stream has that name.
fn name_of<'a>(app: &App, stream: &'a str) -> &'a str {
    let bare = |stream: &'a str| stream.rsplit_once('.').map_or(stream, |(_, name)| name);
    let name = bare(stream);
    let mut shards = app.seen.shards.iter();
    let is_shared = shards.any(|other| {
        other.stream != stream
            && other
                .stream
                .strip_suffix(name)
                .is_some_and(|schema| schema.ends_with('.'))
    });
    if is_shared { stream } else { name }
}

/// Rows with three figures: a table's column is narrow.
fn rows(rows: u64) -> String {
    if rows < 10_000 {
        return Rows(rows).to_string();
    }
    let (value, unit) = match rows {
        0..1_000_000 => (rows as f64 / 1e3, "k"),
        1_000_000..1_000_000_000 => (rows as f64 / 1e6, "M"),
        _ => (rows as f64 / 1e9, "G"),
    };
    if value >= 99.95 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}")
    }
}

fn backends<'a>(app: &App, number: usize, shard: &ShardRow, width: usize) -> Line<'a> {
    let theme = app.theme;
    let half = half(width);
    Line::raw(format!(
        "{} {}{}",
        right(theme, &number.to_string(), 4),
        left(
            theme,
            &format!(
                "{} ",
                fitted(
                    theme,
                    &backend(shard.source_backend.as_ref()),
                    half.saturating_sub(1)
                )
            ),
            half
        ),
        left(theme, &backend(shard.dest_backend.as_ref()), half),
    ))
}

fn backend(work: Option<&BackendWork>) -> String {
    let Some(work) = work else {
        return "-".to_owned();
    };
    let mut text = match &work.waits_for {
        Some(event) => format!("waits {event}"),
        None => "computes".to_owned(),
    };
    if let Some(rows) = work.rows {
        text = format!("{text}, COPY {}", self::rows(rows));
    } else if let Some(bytes) = work.bytes {
        text = format!("{text}, COPY {}", Bytes(bytes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_few_columns_and_three_figures() {
        assert_eq!(rows(2_900), "2,900");
        assert_eq!(rows(50_000), "50.0k");
        assert_eq!(rows(999_999), "1000k");
        assert_eq!(rows(12_345_678), "12.3M");
        assert_eq!(rows(7_000_000_000), "7.0G");
    }
}
