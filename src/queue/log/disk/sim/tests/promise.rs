//! Random histories beside a witness that only knows the promise.

use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];
const BYTES_MAX: usize = 1600;

/// What the promise says of one file.
#[derive(Default)]
struct Known {
    /// What a program sees.
    seen: Vec<u8>,
    /// Bytes that are certain, by offset.
    sure: BTreeMap<usize, u8>,
    /// Bytes that may be there: no byte from anywhere else lengthens a file.
    len_max: usize,
    /// Whether the name is: certain to be there, certain not to be, or neither.
    name: Option<bool>,
    /// `None` once it was removed; its name is not used again.
    file: Option<Arc<dyn DiskFile>>,
}

#[derive(Default)]
struct Witness {
    files: BTreeMap<&'static str, Known>,
}

impl Witness {
    fn step(&mut self, disk: &SimDisk, rng: &mut Rng) {
        let name = NAMES[rng.usize(..NAMES.len())];
        let Some(known) = self.files.get_mut(name) else {
            let file = Some(disk.create(name).unwrap());
            self.files.insert(name, Known { file, ..Known::default() });
            return;
        };
        let Some(open) = known.file.clone() else {
            return self.sync_directory(disk);
        };
        let offset = rng.usize(..BYTES_MAX);
        match rng.u8(0..12) {
            0..5 => {
                let bytes: Vec<u8> = (0..rng.usize(1..700)).map(|_| rng.u8(..)).collect();
                write(&open, offset as u64, &bytes).unwrap();
                known.write(offset, &bytes);
            }
            5 | 6 => {
                open.set_len(offset as u64).unwrap();
                known.resize(offset);
            }
            7 | 8 => {
                open.sync().unwrap();
                known.sync();
            }
            9 => {
                // Neither there for certain nor gone for certain, whatever it was.
                disk.remove(name).unwrap();
                known.name = None;
                known.file = None;
            }
            _ => self.sync_directory(disk),
        }
    }

    fn sync_directory(&mut self, disk: &SimDisk) {
        Disk::sync(disk).unwrap();
        for known in self.files.values_mut() {
            known.name = Some(known.file.is_some());
        }
    }

    fn check(&self, files: &BTreeMap<String, Vec<u8>>) {
        for (name, known) in &self.files {
            let bytes = files.get(*name);
            if let Some(there) = known.name {
                assert_eq!(bytes.is_some(), there, "{name}");
            }
            let Some(bytes) = bytes else { continue };
            assert!(bytes.len() <= known.len_max, "{name}: {} bytes", bytes.len());
            for (offset, byte) in &known.sure {
                assert_eq!(bytes.get(*offset), Some(byte), "{name} at {offset}");
            }
        }
        assert!(files.keys().all(|name| self.files.contains_key(name.as_str())));
    }

    fn seen(&self) -> BTreeMap<String, Vec<u8>> {
        let there = self.files.iter().filter(|(_, known)| known.file.is_some());
        there.map(|(name, known)| ((*name).to_owned(), known.seen.clone())).collect()
    }
}

impl Known {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.resize(end.max(self.seen.len()));
        self.seen[offset..end].copy_from_slice(bytes);
        self.sure.retain(|at, _| !(offset..end).contains(at));
    }

    fn resize(&mut self, len: usize) {
        self.seen.resize(len, 0);
        self.len_max = self.len_max.max(len);
        self.sure.retain(|at, _| *at < len);
    }

    fn sync(&mut self) {
        self.sure = self.seen.iter().copied().enumerate().collect();
        self.len_max = self.seen.len();
    }
}

#[test]
fn synced_bytes_and_names_survive_every_power_cut_and_everything_written_every_kill() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let disk = SimDisk::new(seed);
        let mut witness = Witness::default();
        for _ in 0..rng.usize(1..40) {
            witness.step(&disk, &mut rng);
        }
        assert_eq!(disk.files(), witness.seen(), "seed {seed}");
        assert_eq!(disk.copy().kill().files(), witness.seen(), "seed {seed}");
        for _ in 0..5 {
            witness.check(&disk.copy().crash(&mut rng).files());
        }
    }
}
