//! Whatever is packed, a general inflater reads it back.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use proptest::prelude::*;

use super::*;

fn read(mut decoder: impl Read) -> Vec<u8> {
    let mut text = Vec::new();
    decoder.read_to_end(&mut text).expect("a sound stream");
    text
}

fn check(slices: &[Bytes]) {
    let text = slices.concat();
    assert!(read(ZlibDecoder::new(&*zlib(slices))) == text, "zlib of {} bytes", text.len());
    assert!(read(MultiGzDecoder::new(&*gzip(slices))) == text, "gzip of {} bytes", text.len());
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| random.u8(..)).collect()
}

#[test]
fn every_length_of_a_copy_comes_back() {
    for length in (0..40).chain(250..280).chain(508..530).chain([1_000, 70_000]) {
        // A run is a copy that reaches into itself.
        check(&[vec![b'x'; length].into()]);
        let once = noise(length, 1);
        check(&[[&*once, &[0, 1, 2], &*once, &[3]].concat().into()]);
    }
}

#[test]
fn every_distance_up_to_the_window_and_beyond_comes_back() {
    let word = noise(20, 2);
    let near = 20..70;
    let powers = (7..16).flat_map(|power| (1 << power) - 2..(1 << power) + 3);
    for distance in near.chain(powers) {
        let between = noise(distance - word.len(), 3);
        check(&[[&*word, &*between, &*word].concat().into()]);
    }
}

#[test]
fn every_byte_comes_back_as_a_literal_wherever_it_stands() {
    let all: Vec<u8> = (0..=255).collect();
    for shift in 0..9 {
        check(&[[&b"........."[..shift], &*all].concat().into()]);
    }
    check(&[]);
    check(&[noise(100_000, 4).into()]);
}

#[test]
fn what_cannot_shrink_grows_by_an_eighth_at_most() {
    let text = [Bytes::from(noise(100_000, 5))];
    assert!(zlib(&text).len() < 100_000 * 9 / 8 + 64);
}

#[test]
fn no_copy_reaches_into_another_slice() {
    let text = Bytes::from(noise(10_000, 6));
    check(&vec![text; 300]);
}

#[test]
fn places_that_no_longer_fit_are_forgotten() {
    let text = Bytes::from("abcdefghij".repeat(100));
    let (mut seen, mut bits) = (Seen::new(), Bits::behind(&ZLIB_HEAD, 0));
    seen.base = u32::MAX as usize - 10_500;
    bits.put(BLOCK_HEAD.0, BLOCK_HEAD.1);
    write(&text, &mut seen, &mut bits);
    assert!(seen.base + text.len() > u32::MAX as usize);
    write(&text, &mut seen, &mut bits);
    assert!(seen.base < 1 << 20);
    bits.put(BLOCK_END.0, BLOCK_END.1);
    let twice = text.repeat(2);
    let body = bits.end(&adler32(1, &twice).to_be_bytes());
    assert!(read(ZlibDecoder::new(&*body)) == twice);
}

/// Texts of few different words, as tuples are, and some of anything.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..12);
    (words, prop::collection::vec(any::<prop::sample::Index>(), 0..200)).prop_map(
        |(words, picks)| {
            picks.iter().flat_map(|pick| words[pick.index(words.len())].clone()).collect()
        },
    )
}

proptest! {
    #[test]
    fn every_text_comes_back(texts in prop::collection::vec(text(), 0..5)) {
        check(&texts.into_iter().map(Bytes::from).collect::<Vec<_>>());
    }
}
