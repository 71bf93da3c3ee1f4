//! The files of the journal: whole lines, written to the disk and read back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tracing::warn;

use super::JournalError;
use crate::domain::journal::{self, Head};

/// An entry has at most some 8 kB: what is longer is none.
const LONGEST_LINE: u64 = 1 << 20;

/// Writes and waits for the disk; of a new file for its name, too.
pub(super) fn put(file: &mut File, text: &str, new_in: Option<&Path>) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    new_in.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The files of a folder, oldest first.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let all = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = all.filter(|name| journal::month_of(name).is_some()).collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether the files hold this very entry. They are read from the newest on, as far back as it may stand.
pub(super) fn holds(folder: &Path, noted: &Head) -> Result<bool, JournalError> {
    let begin = format!("{{\"sequence\":{},", noted.sequence);
    for name in names(folder)?.into_iter().rev() {
        let mut first = None;
        let mut reader = BufReader::new(File::open(folder.join(name))?);
        while let Some(line) = whole_line(&mut reader)? {
            let line = String::from_utf8_lossy(&line);
            if line.starts_with(&begin) {
                return Ok(journal::read(&line).is_ok_and(|entry| entry.hash == noted.hash));
            }
            first = first.or_else(|| journal::read(&line).ok().map(|entry| entry.sequence));
        }
        if first.is_some_and(|first| first < noted.sequence) {
            return Ok(false);
        }
    }
    Ok(noted.sequence == 0)
}

/// The next line without its end; none where no whole one is left.
fn whole_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}

/// Gives the whole lines of a file from a place on; where they end. What stands after the last end of a line is cut.
pub(super) fn read_from(
    path: &Path,
    from: u64,
    mut take: impl FnMut(String) -> Result<(), JournalError>,
) -> Result<u64, JournalError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    if length < from {
        warn!(file = %path.display(), "the journal is shorter than it was: verify it");
        return Ok(length);
    }
    file.seek(SeekFrom::Start(from))?;
    let mut end = from;
    let mut reader = BufReader::new(&file);
    while let Some(line) = whole_line(&mut reader)? {
        end += line.len() as u64 + 1;
        take(String::from_utf8_lossy(&line).into_owned())?;
    }
    if end < length {
        warn!(file = %path.display(), bytes = length - end, "a line of the journal was half written; it is cut");
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(end)
}
