//! Writes what `torch.save` writes: a zip with a pickle, and an entry for the numbers of each tensor.
#![allow(dead_code)] // each of the two test programs uses a part of it

use std::{fs::File, io::Write as _, path::Path};

use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A value of Python.
pub(crate) enum Python {
    None,
    Int(i32),
    Text(String),
    List(Vec<Self>),
    Dict(Vec<(&'static str, Self)>),
    /// A tensor of int32: shape and numbers.
    Tensor(Vec<usize>, Vec<i32>),
}

impl Python {
    /// A list of whole numbers.
    pub(crate) fn ints(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::List(numbers.into_iter().map(|number| Self::Int(number as i32)).collect())
    }

    /// Writes a file.
    pub(crate) fn save(&self, path: &Path) {
        let (mut pickle, mut storages) = (b"\x80\x02".to_vec(), Vec::new());
        self.pickle(&mut pickle, &mut storages);
        pickle.push(b'.');
        let mut archive = ZipWriter::new(File::create(path).unwrap());
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut entry = |name: &str, bytes: &[u8]| {
            archive.start_file(format!("archive/{name}"), stored).unwrap();
            archive.write_all(bytes).unwrap();
        };
        entry("data.pkl", &pickle);
        entry("byteorder", b"little");
        for (key, bytes) in storages.iter().enumerate() {
            entry(&format!("data/{key}"), bytes);
        }
        archive.finish().unwrap();
    }

    fn pickle(&self, out: &mut Vec<u8>, storages: &mut Vec<Vec<u8>>) {
        match self {
            Self::None => out.push(b'N'),
            Self::Int(number) => int(*number, out),
            Self::Text(value) => text(value, out),
            Self::List(items) => {
                out.extend(b"](");
                for item in items {
                    item.pickle(out, storages);
                }
                out.push(b'e');
            }
            Self::Dict(entries) => {
                out.extend(b"}(");
                for (key, value) in entries {
                    text(key, out);
                    value.pickle(out, storages);
                }
                out.push(b'u');
            }
            Self::Tensor(shape, numbers) => {
                assert_eq!(shape.iter().product::<usize>(), numbers.len());
                tensor("IntStorage", storages.len(), shape, out);
                storages.push(numbers.iter().flat_map(|number| number.to_le_bytes()).collect());
            }
        }
    }
}

/// The pickle of a state dict of tensors of f32, whose storages are called 0, 1 ...
pub(crate) fn state_dict(tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut out = b"\x80\x02}(".to_vec();
    for (key, (name, shape)) in tensors.iter().enumerate() {
        text(name, &mut out);
        tensor("FloatStorage", key, shape, &mut out);
    }
    out.extend(b"u.");
    out
}

fn tensor(class: &str, key: usize, shape: &[usize], out: &mut Vec<u8>) {
    out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text("storage", out);
    out.extend(format!("ctorch\n{class}\n").as_bytes());
    text(&key.to_string(), out);
    text("cpu", out);
    int(shape.iter().product::<usize>() as i32, out);
    out.extend(b"tQ");
    int(0, out);
    tuple(shape, out);
    let strides: Vec<usize> = (1..=shape.len()).map(|at| shape[at..].iter().product()).collect();
    tuple(&strides, out);
    out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
}

fn int(number: i32, out: &mut Vec<u8>) {
    out.push(b'J');
    out.extend(number.to_le_bytes());
}

fn text(value: &str, out: &mut Vec<u8>) {
    out.push(b'X');
    out.extend((value.len() as u32).to_le_bytes());
    out.extend(value.as_bytes());
}

fn tuple(numbers: &[usize], out: &mut Vec<u8>) {
    out.push(b'(');
    for number in numbers {
        int(*number as i32, out);
    }
    out.push(b't');
}
