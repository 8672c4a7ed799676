//! `pytorch_model.bin` of any size as `torch.save` lays it out, with holes in place of numbers: zeros that cost no disk.
#![allow(dead_code)] // only one of the two test programs uses it

use std::{
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use crc32fast::Hasher;

use super::torch_file::state_dict;

/// A tensor of zeros of type f32: name and shape.
pub(crate) type Zeros = (String, Vec<usize>);

/// An entry as it was written.
struct Entry {
    name: String,
    header: u64,
    bytes: u64,
    crc32: u32,
}

/// Writes a file of these tensors.
pub(crate) fn write_zeros(path: &Path, tensors: &[Zeros]) {
    let mut archive = Archive { file: File::create(path).unwrap(), at: 0, entries: Vec::new() };
    archive.bytes("archive/data.pkl", &state_dict(tensors));
    archive.bytes("archive/byteorder", b"little");
    for (key, (_, shape)) in tensors.iter().enumerate() {
        archive.zeros(&format!("archive/data/{key}"), 4 * shape.iter().product::<usize>() as u64);
    }
    archive.finish();
}

/// CRC-32 of so many zeros.
fn crc_of_zeros(count: u64) -> u32 {
    let (mut whole, mut power) = (Hasher::new(), Hasher::new());
    power.update(&[0]);
    let mut rest = count;
    while rest > 0 {
        if rest & 1 == 1 {
            whole.combine(&power);
        }
        let twice = power.clone();
        power.combine(&twice);
        rest >>= 1;
    }
    whole.finalize()
}

struct Archive {
    file: File,
    at: u64,
    entries: Vec<Entry>,
}

impl Archive {
    fn bytes(&mut self, name: &str, content: &[u8]) {
        self.header(name, content.len() as u64, crc32fast::hash(content));
        self.file.write_all(content).unwrap();
        self.at += content.len() as u64;
    }

    fn zeros(&mut self, name: &str, count: u64) {
        self.header(name, count, crc_of_zeros(count));
        self.at += count;
        self.file.seek(SeekFrom::Start(self.at)).unwrap();
    }

    /// A local header whose extra field ends at a multiple of 64 bytes.
    fn header(&mut self, name: &str, bytes: u64, crc32: u32) {
        const LARGE: u64 = u32::MAX as u64;
        let is_large = bytes >= LARGE || self.at >= LARGE;
        let zip64 = if is_large { 4 + 16 * u64::from(bytes >= LARGE) + 8 * u64::from(self.at >= LARGE) } else { 0 };
        let start = self.at + 30 + name.len() as u64 + 4 + zip64;
        let extra = start.next_multiple_of(64) - (self.at + 30 + name.len() as u64);
        let short = bytes.min(LARGE) as u32;
        let mut header = b"PK\x03\x04\0\0\0\x08\0\0\0\0\0\0".to_vec();
        header.extend(crc32.to_le_bytes());
        header.extend(short.to_le_bytes());
        header.extend(short.to_le_bytes());
        header.extend((name.len() as u16).to_le_bytes());
        header.extend((extra as u16).to_le_bytes());
        header.extend(name.as_bytes());
        if bytes >= LARGE {
            header.extend([1, 0, 16, 0]);
            header.extend(bytes.to_le_bytes());
            header.extend(bytes.to_le_bytes());
        }
        let end = (self.at + 30 + name.len() as u64 + extra) as usize - self.at as usize;
        header.extend(b"FB");
        header.extend(((end - header.len() - 2) as u16).to_le_bytes());
        header.resize(end, b'Z');
        self.entries.push(Entry { name: name.to_owned(), header: self.at, bytes, crc32 });
        self.file.write_all(&header).unwrap();
        self.at += end as u64;
    }

    /// The directory, with sizes and places of 64 bits.
    fn finish(mut self) {
        let mut directory = Vec::new();
        for Entry { name, header, bytes, crc32 } in &self.entries {
            directory.extend(b"PK\x01\x02\0\0\0\0\0\x08\0\0\0\0\0\0");
            directory.extend(crc32.to_le_bytes());
            directory.extend([0xff; 8]);
            directory.extend((name.len() as u16).to_le_bytes());
            directory.extend(28_u16.to_le_bytes());
            directory.extend([0; 10]);
            directory.extend([0xff; 4]);
            directory.extend(name.as_bytes());
            directory.extend([1, 0, 24, 0]);
            for number in [bytes, bytes, header] {
                directory.extend(number.to_le_bytes());
            }
        }
        let (begin, count, size) = (self.at, self.entries.len() as u64, directory.len() as u64);
        directory.extend(b"PK\x06\x06");
        directory.extend(44_u64.to_le_bytes());
        directory.extend([0x2d, 0, 0x2d, 0]);
        directory.extend([0; 8]);
        for number in [count, count, size, begin] {
            directory.extend(number.to_le_bytes());
        }
        directory.extend(b"PK\x06\x07");
        directory.extend([0; 4]);
        directory.extend((begin + size).to_le_bytes());
        directory.extend([1, 0, 0, 0]);
        directory.extend(b"PK\x05\x06\0\0\0\0");
        directory.extend([0xff; 12]);
        directory.extend([0; 2]);
        self.file.write_all(&directory).unwrap();
    }
}
