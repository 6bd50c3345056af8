//! One streaming pass: plain bytes are digested, compressed, digested again and written to every store at once; and
//! the way back. Memory stays flat whatever the size.
//!
//! Stored bytes have a SHA-256, so that `sha256sum` proves them; plain bytes have a BLAKE3, which costs least.

mod ahead;
mod decode;
mod encode;
mod sum;
mod tee;

pub use decode::{Decoder, Mismatch, Sums, plain_reader};
pub use encode::{Encoder, Stoppable};
pub use sum::{Blake3, Digest, Sha256, Sum, Summing};
pub use tee::Tee;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        policy::values::Compression,
        store::manifest::StoredFile,
        watch::{Cancel, Watch},
    };
    use std::io::{self, Read as _, Write as _};

    fn stored(compression: Compression, plain: &[u8]) -> (StoredFile, Vec<u8>) {
        let mut encoder = Encoder::new(compression, Vec::new()).unwrap();
        encoder.write_all(plain).unwrap();
        encoder.finish(&format!("t.db{}", compression.suffix())).unwrap()
    }

    fn read_back(file: &StoredFile, bytes: &[u8]) -> Result<Vec<u8>, Mismatch> {
        let cancel = Cancel::default();
        let watch = Watch::new(&cancel, None, &|_| ());
        let mut decoder = Decoder::new(&file.name, io::Cursor::new(bytes.to_vec()), None, &watch).unwrap();
        let mut plain = Vec::new();
        let _ = decoder.read_to_end(&mut plain);
        decoder.finish(file).map(|()| plain)
    }

    #[test]
    fn what_was_encoded_decodes_to_the_same_bytes() {
        let plain: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
            let (file, bytes) = stored(compression, &plain);
            assert_eq!(file.plain_bytes, plain.len() as u64);
            assert_eq!(file.bytes, bytes.len() as u64);
            assert_eq!(read_back(&file, &bytes).unwrap(), plain, "{compression}");
        }
    }

    #[test]
    fn a_read_that_fails_once_is_told_as_that_and_never_as_other_content() {
        struct Failing(io::Cursor<Vec<u8>>, bool);
        impl io::Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.position() > 200_000 && !std::mem::replace(&mut self.1, true) {
                    return Err(io::Error::from_raw_os_error(5));
                }
                let most = buffer.len().min(1000);
                self.0.read(&mut buffer[..most])
            }
        }
        let plain: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let (file, bytes) = stored(Compression::None, &plain);
        let cancel = Cancel::default();
        let watch = Watch::new(&cancel, None, &|_| ());
        for taken in [false, true] {
            let source = Failing(io::Cursor::new(bytes.clone()), false);
            let mut decoder = Decoder::new(&file.name, source, None, &watch).unwrap();
            if taken {
                assert!(decoder.read_to_end(&mut Vec::new()).is_err());
            }
            let failed = decoder.finish(&file).unwrap_err();
            let Mismatch::Unreadable { source, .. } = failed else { panic!("{failed}") };
            assert_eq!(source.raw_os_error(), Some(5));
        }
    }

    #[test]
    fn every_flipped_byte_every_truncation_and_every_added_byte_is_found() {
        for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
            let (file, bytes) = stored(compression, b"a small database, as it were, a small database");
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x10;
                assert!(read_back(&file, &damaged).is_err(), "{compression}: byte {at}");
                assert!(read_back(&file, &bytes[..at]).is_err(), "{compression}: cut at {at}");
            }
            let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
            assert!(read_back(&file, &longer).is_err(), "{compression}: one byte more");
        }
    }
}
