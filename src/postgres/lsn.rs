//! Positions in the write-ahead log, as servers print and send them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind};

/// A log sequence number: bytes since the beginning of the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let part = |text: &str| u32::from_str_radix(text, 16).ok().map(u64::from);
        text.split_once('/')
            .and_then(|(high, low)| Some(Self(part(high)? << 32 | part(low)?)))
            .ok_or_else(|| Error::new(Kind::Server, format!("`{text}` is not a log position")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_and_written_as_the_server_does() {
        for (text, bytes) in [
            ("0/0", 0),
            ("16/B374D848", 0x16_B374_D848),
            ("1/A", 0x1_0000_000A),
        ] {
            assert_eq!(text.parse::<Lsn>().unwrap(), Lsn(bytes));
            assert_eq!(Lsn(bytes).to_string(), text);
        }
        for bad in ["", "1", "1/", "x/1", "1/100000000"] {
            let error = bad.parse::<Lsn>().unwrap_err();
            assert_eq!(error.to_string(), format!("`{bad}` is not a log position"));
        }
    }
}
