//! How things look: the 16 colours of the terminal on its own background, or none, and which characters
//! there are to draw with.
//!
//! A colour never says anything alone: whatever is coloured is a word as well. Views name roles, not
//! colours. The ground may be white or black and is not asked for, so only what can be read on both is
//! used: red and magenta, and black on green or yellow. Green, yellow and cyan letters vanish on white,
//! blue ones on black.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

/// Whether to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colours {
    /// Unless NO_COLOR says otherwise.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// Styles by role, and characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    coloured: bool,
    /// Whether there are characters beyond ASCII.
    pub unicode: bool,
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// NO_COLOR.
    pub no_color: Option<String>,
    /// TERM.
    pub term: Option<String>,
    /// LC_ALL, LC_CTYPE, LANG, in this order.
    pub locale: [Option<String>; 3],
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self {
            no_color: variable("NO_COLOR"),
            term: variable("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].map(variable),
        }
    }

    /// Whether text is UTF-8 there: the first of the three variables that is set decides (setlocale(3)).
    fn is_utf8(&self) -> bool {
        let decides = self.locale.iter().flatten().find(|text| !text.is_empty());
        decides.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
    }
}

impl Theme {
    /// The theme for a terminal.
    #[must_use]
    pub fn of(colours: Colours, environment: &Environment) -> Self {
        let forbidden = environment.no_color.as_ref().is_some_and(|v| !v.is_empty());
        Self {
            coloured: match colours {
                Colours::Always => true,
                Colours::Never => false,
                Colours::Auto => !forbidden,
            },
            unicode: environment.is_utf8(),
        }
    }

    fn coloured(self, colour: Color) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.coloured {
            style.fg(colour)
        } else {
            style
        }
    }

    /// Letters on a ground of their own.
    fn on(self, ground: Color, otherwise: Modifier) -> Style {
        if self.coloured {
            Style::new().fg(Color::Black).bg(ground)
        } else {
            Style::new().add_modifier(otherwise)
        }
    }

    /// What is well.
    #[must_use]
    pub fn good(self) -> Style {
        self.on(Color::Green, Modifier::empty())
    }

    /// What is not.
    #[must_use]
    pub fn bad(self) -> Style {
        self.coloured(Color::Red)
    }

    /// What deserves a look.
    #[must_use]
    pub fn warning(self) -> Style {
        self.on(Color::Yellow, Modifier::BOLD)
    }

    /// What belongs to the before arm.
    #[must_use]
    #[expect(
        clippy::unused_self,
        reason = "a view asks the theme for every role alike"
    )]
    pub fn before(self) -> Style {
        Style::new()
    }

    /// What belongs to the after arm.
    #[must_use]
    pub fn after(self) -> Style {
        self.coloured(Color::Magenta)
    }

    /// What can be done: keys, the pane that has them.
    #[must_use]
    pub fn accent(self) -> Style {
        self.coloured(Color::Magenta)
    }

    /// What is there but not looked at.
    #[must_use]
    #[expect(
        clippy::unused_self,
        reason = "a view asks the theme for every role alike"
    )]
    pub fn quiet(self) -> Style {
        // DIM where the terminal knows it; a grey of its own would vanish on some backgrounds
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Headings.
    #[must_use]
    #[expect(
        clippy::unused_self,
        reason = "a view asks the theme for every role alike"
    )]
    pub fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The line that is chosen.
    #[must_use]
    #[expect(
        clippy::unused_self,
        reason = "a view asks the theme for every role alike"
    )]
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The lines around a pane.
    #[must_use]
    pub fn border(self) -> border::Set<'static> {
        if self.unicode {
            border::PLAIN
        } else {
            border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            }
        }
    }

    /// The steps of a sparkline, lowest first.
    #[must_use]
    pub fn steps(self) -> &'static [char] {
        if self.unicode {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            &['.', ':', '-', '=', '+', '*', '#']
        }
    }

    /// A sparkline of the last values that fit, against their largest.
    #[must_use]
    pub fn sparkline<'a>(
        self,
        values: impl DoubleEndedIterator<Item = &'a f64> + Clone,
        width: usize,
    ) -> String {
        let shown = values.rev().take(width);
        let largest = shown.clone().copied().fold(0.0, f64::max);
        let steps = self.steps();
        let mut drawn: Vec<char> = shown
            .map(|value| {
                if largest <= 0.0 || *value <= 0.0 {
                    return ' ';
                }
                let step = (value / largest * (steps.len() - 1) as f64).round() as usize;
                steps[step.min(steps.len() - 1)]
            })
            .collect();
        drawn.reverse();
        drawn.into_iter().collect()
    }

    /// A bar of so many columns, full to this share.
    #[must_use]
    pub fn bar(self, share: f64, width: usize) -> String {
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let full = (share * width as f64).round() as usize;
        let (on, off) = if self.unicode {
            ('█', '·')
        } else {
            ('#', '-')
        };
        (0..width)
            .map(|n| if n < full { on } else { off })
            .collect()
    }

    /// What points at the line before it.
    #[must_use]
    pub fn arrow(self) -> &'static str {
        if self.unicode { "◄" } else { "<-" }
    }

    /// What ends a text that was cut.
    #[must_use]
    pub fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(no_color: Option<&str>, lang: &str) -> Environment {
        Environment {
            no_color: no_color.map(str::to_owned),
            term: Some("xterm".into()),
            locale: [None, None, Some(lang.to_owned())],
        }
    }

    #[test]
    fn a_non_empty_no_color_means_none_unless_asked_for() {
        let coloured = |colours, value| {
            let theme = Theme::of(colours, &environment(value, "C"));
            theme.bad().fg.is_some()
        };
        assert!(coloured(Colours::Auto, None));
        assert!(coloured(Colours::Auto, Some("")));
        assert!(!coloured(Colours::Auto, Some("1")));
        assert!(coloured(Colours::Always, Some("1")));
        assert!(!coloured(Colours::Never, None));
    }

    #[test]
    fn the_locale_decides_on_the_characters() {
        let unicode = |lang| Theme::of(Colours::Auto, &environment(None, lang)).unicode;
        assert!(unicode("en_US.UTF-8") && unicode("C.utf8"));
        assert!(!unicode("C") && !unicode(""));
        let environment = Environment {
            locale: [
                Some("C".into()),
                Some("C.UTF-8".into()),
                Some("C.UTF-8".into()),
            ],
            ..Environment::default()
        };
        assert!(!Theme::of(Colours::Auto, &environment).unicode);
    }

    #[test]
    fn bars_and_sparklines_stay_within_their_width() {
        let theme = Theme::of(Colours::Never, &environment(None, "C"));
        assert_eq!(theme.bar(0.5, 10), "#####-----");
        assert_eq!(theme.bar(7.0, 4), "####");
        assert_eq!(theme.bar(f64::NAN, 4), "----");
        assert_eq!(theme.sparkline([9.0, 0.0, 1.0, 2.0, 3.0].iter(), 4), " -+#");
        assert_eq!(theme.sparkline([0.0, 0.0].iter(), 5), "  ");
    }

    /// Grounds, and the sixteen colours there: xterm, Windows' console, Solarized.
    const XTERM: [u32; 16] = [
        0, 0xcd_0000, 0x00_cd00, 0xcd_cd00, 0x00_00ee, 0xcd_00cd, 0x00_cdcd, 0xe5_e5e5, 0x7f_7f7f,
        0xff_0000, 0x00_ff00, 0xff_ff00, 0x5c_5cff, 0xff_00ff, 0x00_ffff, 0xff_ffff,
    ];
    const CONSOLE: [u32; 16] = [
        0x0c_0c0c, 0xc5_0f1f, 0x13_a10e, 0xc1_9c00, 0x00_37da, 0x88_1798, 0x3a_96dd, 0xcc_cccc,
        0x76_7676, 0xe7_4856, 0x16_c60c, 0xf9_f1a5, 0x3b_78ff, 0xb4_009e, 0x61_d6d6, 0xf2_f2f2,
    ];
    const SOLARIZED: [u32; 16] = [
        0x07_3642, 0xdc_322f, 0x85_9900, 0xb5_8900, 0x26_8bd2, 0xd3_3682, 0x2a_a198, 0xee_e8d5,
        0x00_2b36, 0xcb_4b16, 0x58_6e75, 0x65_7b83, 0x83_9496, 0x6c_71c4, 0x93_a1a1, 0xfd_f6e3,
    ];
    /// Letters of less contrast than that are not read at a glance.
    const LEAST: f64 = 2.4;

    /// Relative luminance and contrast as WCAG 2 defines them.
    fn contrast(a: u32, b: u32) -> f64 {
        let luminance = |colour: u32| {
            let part = |shift: u32| {
                let value = f64::from(colour >> shift & 0xff) / 255.0;
                if value <= 0.04045 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0) + 0.05
        };
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    fn number(colour: Color) -> usize {
        match colour {
            Color::Black => 0,
            Color::Red => 1,
            Color::Green => 2,
            Color::Yellow => 3,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            other => panic!("{other} is read on one ground only"),
        }
    }

    #[test]
    fn every_role_is_read_on_a_light_and_on_a_dark_ground() {
        let theme = Theme::of(Colours::Always, &environment(None, "C"));
        let roles = [
            theme.good(),
            theme.bad(),
            theme.warning(),
            theme.before(),
            theme.after(),
            theme.accent(),
        ];
        let grounds = [
            ("xterm, light", 0xff_ffff, XTERM),
            ("xterm, dark", 0, XTERM),
            ("console, light", 0xff_ffff, CONSOLE),
            ("console, dark", 0x0c_0c0c, CONSOLE),
            ("solarized, light", 0xfd_f6e3, SOLARIZED),
            ("solarized, dark", 0x00_2b36, SOLARIZED),
        ];
        for (name, ground, colours) in grounds {
            for role in roles {
                // what has no colour is the terminal's own
                let Some(letters) = role.fg.map(number) else {
                    continue;
                };
                let ground = role.bg.map_or(ground, |own| colours[number(own)]);
                // many terminals draw bold letters in the bright colour
                let bold = role.add_modifier.contains(Modifier::BOLD);
                for bright in if bold { vec![0, 8] } else { vec![0] } {
                    let found = contrast(colours[letters + bright], ground);
                    assert!(found >= LEAST, "{name}: {role:?} has {found:.1}");
                }
            }
        }
    }
}
