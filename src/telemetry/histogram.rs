//! The four latency distributions of a run, in microseconds, mergeable over workers.

use std::io::Read as _;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};

use crate::error::{Error, Kind, Result};

/// Longest latency kept apart, microseconds (one hour); longer ones count as this.
const MAX_US: u64 = 3_600_000_000;

/// A run's latency distributions, microseconds with three significant figures.
#[derive(Debug, Clone)]
pub struct Histograms {
    /// One chunk: from asking for its first byte to its last byte accepted.
    pub chunk: Histogram<u64>,
    /// Each wait for the source.
    pub fetch: Histogram<u64>,
    /// Each wait for the destination.
    pub flush: Histogram<u64>,
    /// Each prepare or commit.
    pub commit: Histogram<u64>,
}

fn empty() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, MAX_US, 3)
        .unwrap_or_else(|e| unreachable!("constant bounds are valid: {e}"));
    histogram.auto(false);
    histogram
}

impl Default for Histograms {
    fn default() -> Self {
        Self {
            chunk: empty(),
            fetch: empty(),
            flush: empty(),
            commit: empty(),
        }
    }
}

/// Records a duration, saturating at the longest one kept apart.
pub fn record(histogram: &mut Histogram<u64>, duration: std::time::Duration) {
    histogram.saturating_record((duration.as_micros() as u64).max(1));
}

impl Histograms {
    /// Adds another worker's distributions.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let pairs = [
            (&mut self.chunk, &other.chunk),
            (&mut self.fetch, &other.fetch),
            (&mut self.flush, &other.flush),
            (&mut self.commit, &other.commit),
        ];
        for (mine, theirs) in pairs {
            mine.add(theirs)
                .map_err(|e| Error::internal(format!("merging histograms: {e}")))?;
        }
        Ok(())
    }

    /// The distributions by the names artifacts use.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Histogram<u64>); 4] {
        [
            ("chunk_us", &self.chunk),
            ("fetch_us", &self.fetch),
            ("flush_us", &self.flush),
            ("commit_us", &self.commit),
        ]
    }
}

/// The histogram as base64 of HdrHistogram's V2 deflate format.
pub fn encode(histogram: &Histogram<u64>) -> Result<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|e| Error::internal(format!("serializing a histogram: {e}")))?;
    Ok(base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// The histogram that [`encode`] wrote.
///
/// # Errors
/// `Kind::Data` for what is no such text.
pub fn decode(text: &str) -> Result<Histogram<u64>> {
    let damaged = |cause: String| {
        Error::new(
            Kind::Data,
            format!("a saved histogram cannot be read: {cause}"),
        )
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|e| damaged(e.to_string()))?;
    let inflated = inflate(&bytes).map_err(|e| damaged(e.to_string()))?;
    hdrhistogram::serialization::Deserializer::new()
        .deserialize(&mut inflated.as_slice())
        .map_err(|e| damaged(e.to_string()))
}

/// Bytes of the header of either form before the deflated bytes: a cookie and their length.
const DEFLATE_HEADER: usize = 8;
/// Bytes of the header inside: cookie, length, offset, digits, lowest, highest, ratio.
const V2_HEADER: usize = 40;
/// More than a histogram of ours can have, bytes.
const LARGEST: u64 = 8 << 20;

/// What is inside of a V2 deflate form, which says itself how long it is: a file from elsewhere may say
/// anything, and the library makes room for it before it looks.
fn inflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let cut_off = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let deflated = bytes.get(DEFLATE_HEADER..).ok_or_else(cut_off)?;
    let mut inside = Vec::new();
    flate2::read::ZlibDecoder::new(deflated)
        .take(LARGEST)
        .read_to_end(&mut inside)?;
    let length = inside.get(4..8).and_then(|four| four.try_into().ok());
    let length = u32::from_be_bytes(length.ok_or_else(cut_off)?) as usize;
    if inside.len() < V2_HEADER || length > inside.len() - V2_HEADER {
        return Err(cut_off());
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_encoded_histogram_reads_back() {
        let mut histograms = Histograms::default();
        record(&mut histograms.chunk, Duration::from_millis(171));
        record(&mut histograms.chunk, Duration::from_secs(10_000));
        let text = encode(&histograms.chunk).unwrap();
        let back = decode(&text).unwrap();
        assert_eq!(back.len(), 2);
        assert!(back.max() >= MAX_US);
        // a length that is not there, in a text that is whole otherwise
        let mut boastful = inflate(
            &base64::engine::general_purpose::STANDARD
                .decode(&text)
                .unwrap(),
        )
        .unwrap();
        boastful[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        let mut deflated = vec![0; DEFLATE_HEADER];
        flate2::read::ZlibEncoder::new(boastful.as_slice(), flate2::Compression::fast())
            .read_to_end(&mut deflated)
            .unwrap();
        let boastful = base64::engine::general_purpose::STANDARD.encode(deflated);
        for damaged in ["", "%", &text[..text.len() / 2], &boastful] {
            let error = decode(damaged).unwrap_err();
            assert_eq!(error.kind(), Kind::Data);
            assert!(
                error
                    .message()
                    .starts_with("a saved histogram cannot be read: "),
                "{error}"
            );
        }
    }

    #[test]
    fn merging_adds_counts() {
        let (mut a, mut b) = (Histograms::default(), Histograms::default());
        record(&mut a.fetch, Duration::from_micros(5));
        record(&mut b.fetch, Duration::from_micros(7));
        a.merge(&b).unwrap();
        assert_eq!(a.fetch.len(), 2);
    }
}
