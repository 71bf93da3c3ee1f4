use std::{fs, os::unix::fs::PermissionsExt};

use tar::{Builder, Header};

use super::*;

const NAME: &str = "registry.local/example:1";

fn small_image() -> Vec<Entry> {
    vec![
        Entry::new("/usr/bin/tool", 0o755, Content::Bytes(b"#!/bin/sh\n".to_vec())),
        Entry::new("bin", 0o777, Content::Symlink("usr/bin".into())),
        Entry::new("tmp", 0o1777, Content::Directory),
    ]
}

/// A root file system tar with the given time in which a hard link precedes its target.
fn root_tar(path: &Path, time: u64, reverse: bool) {
    let mut tar = Builder::new(File::create(path).unwrap());
    let mut files = vec!["./usr/b", "./usr/c", "./dev/null", "./var/log/x", "./etc/apt/y"];
    files.push("./var/lib/apt/z");
    if reverse {
        files.reverse();
    }
    for dir in ["./", "./dev/", "./usr/", "./var/log/", "./etc/apt/"] {
        let mut header = member(EntryType::Directory, 0, time);
        tar.append_data(&mut header, dir, io::empty()).unwrap();
    }
    for file in files {
        tar.append_data(&mut member(EntryType::Regular, 4, time), file, &b"data"[..]).unwrap();
    }
    tar.append_link(&mut member(EntryType::Link, 0, time), "./usr/a", "./usr/b").unwrap();
    tar.append_link(&mut member(EntryType::Symlink, 0, time), "./bin", "usr/bin").unwrap();
    tar.finish().unwrap();
}

fn member(kind: EntryType, size: u64, time: u64) -> Header {
    let mut header = header(kind, 0o755, size);
    header.set_mtime(time);
    header.set_uid(7);
    header
}

fn layer_paths(image: &Path) -> Vec<(String, EntryType)> {
    let mut paths = Vec::new();
    for entry in Archive::new(File::open(image).unwrap()).entries().unwrap() {
        let entry = entry.unwrap();
        if entry.size() < 20 || !entry.path().unwrap().starts_with("blobs") {
            continue;
        }
        let mut layer = Archive::new(GzDecoder::new(entry));
        if let Ok(entries) = layer.entries() {
            let listed = entries.filter_map(Result::ok);
            paths.extend(listed.map(|entry| {
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                assert_eq!(entry.header().mtime().unwrap(), 0);
                (path, entry.header().entry_type())
            }));
        }
    }
    paths
}

#[test]
fn same_entries_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.tar"), dir.path().join("b.tar"));
    let mut entries = small_image();
    let first = pack_entries(&entries, &a, NAME, &Config::default()).unwrap();
    entries.reverse();
    let second = pack_entries(&entries, &b, NAME, &Config::default()).unwrap();
    assert_eq!(first, second);
    assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the layer file is left behind");
}

#[test]
fn other_entries_give_another_digest() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a.tar");
    let mut entries = small_image();
    let first = pack_entries(&entries, &out, NAME, &Config::default()).unwrap();
    entries.push(Entry::new("etc/more", 0o644, Content::Bytes(vec![1])));
    let second = pack_entries(&entries, &out, NAME, &Config::default()).unwrap();
    assert_ne!(first.digest, second.digest);
}

#[test]
fn same_root_gives_the_same_bytes_whenever_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    root_tar(&path("1"), 1, false);
    root_tar(&path("2"), 2_000_000_000, true);
    let first = pack_tar(&path("1"), &path("1.tar"), NAME, &Config::default()).unwrap();
    let second = pack_tar(&path("2"), &path("2.tar"), NAME, &Config::default()).unwrap();
    assert_eq!(first, second);
    assert_eq!(fs::read(path("1.tar")).unwrap(), fs::read(path("2.tar")).unwrap());
}

#[test]
fn hard_links_follow_their_targets_and_needless_files_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (root, image) = (dir.path().join("root"), dir.path().join("image.tar"));
    root_tar(&root, 5, false);
    pack_tar(&root, &image, NAME, &Config::default()).unwrap();
    let paths = layer_paths(&image);
    let names: Vec<_> = paths.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["bin", "dev", "usr", "usr/b", "usr/c", "var/log", "usr/a"]);
    assert_eq!(paths.last().unwrap().1, EntryType::Link);
}

#[test]
fn index_names_the_image_and_config_what_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image.tar");
    let config = Config { entrypoint: vec!["/usr/bin/tool".into()], user: "65532:65532".into() };
    let packed = pack_entries(&small_image(), &image, NAME, &config).unwrap();
    let mut blobs = HashMap::new();
    for entry in Archive::new(File::open(&image).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        blobs.insert(path, bytes);
    }
    let read = |path: &str| -> Value { serde_json::from_slice(&blobs[path]).unwrap() };
    let described = &read("index.json")["manifests"][0];
    assert_eq!(described["annotations"]["io.containerd.image.name"], NAME);
    assert_eq!(described["annotations"]["org.opencontainers.image.ref.name"], "1");
    assert_eq!(described["digest"], packed.digest.as_str());
    let manifest = read(&blob_path(described).unwrap());
    let config = read(&blob_path(&manifest["config"]).unwrap());
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/tool");
    assert_eq!(config["config"]["User"], "65532:65532");
}

#[test]
fn unpacked_image_holds_what_was_packed() {
    let dir = tempfile::tempdir().unwrap();
    let (image, root) = (dir.path().join("image.tar"), dir.path().join("root"));
    pack_entries(&small_image(), &image, NAME, &Config::default()).unwrap();
    fs::create_dir(&root).unwrap();
    unpack(&image, &root, false).unwrap();
    assert_eq!(fs::read(root.join("usr/bin/tool")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(fs::read_link(root.join("bin")).unwrap(), Path::new("usr/bin"));
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("usr/bin/tool"), mode("tmp"), mode("usr")), (0o755, 0o1777, 0o755));
}

#[test]
fn image_name_without_tag_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a.tar");
    assert!(pack_entries(&small_image(), &out, "registry.local/x", &Config::default()).is_err());
}
