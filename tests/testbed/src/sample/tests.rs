use std::collections::BTreeMap;

use super::*;

fn sample(dir: &Path, agencies: u32, mailboxes: u32, seed: u64) -> Sample {
    Sample { dir: dir.into(), agencies, mailboxes, seed }
}

/// Path below the folder → text.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn written(agencies: u32, mailboxes: u32, seed: u64) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    write(&sample(folder.path(), agencies, mailboxes, seed)).unwrap();
    files(folder.path())
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_one_others() {
    let first = written(80, 300, 7);
    assert_eq!(first.len(), 1 + 80 + 300);
    assert_eq!(first, written(80, 300, 7));
    assert_ne!(first, written(80, 300, 8));
}

#[test]
fn every_agency_has_its_parent_before_it_and_a_thousand_are_there() {
    let bodies =
        bodies::bodies(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/gialai/agencies"), 1000).unwrap();
    let mut before = HashSet::new();
    for body in &bodies {
        if let Some((_, parent)) = body.yaml.split_once("parentRef: {name: ") {
            let parent = parent.split('}').next().unwrap();
            assert!(before.contains(parent), "{} before {parent}", body.name);
        }
        assert!(before.insert(body.name.as_str()), "{} twice", body.name);
    }
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), "").unwrap();
    assert!(write(&sample(folder.path(), 10, 10, 1)).is_err());
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn people_of_one_name_below_one_suffix_have_different_years() {
    let all = written(5, 3000, 1);
    let field = |text: &str, name: &str| {
        text.split_once(&format!("  {name}: ")).map(|(_, rest)| rest.lines().next().unwrap().to_owned())
    };
    let mut years: BTreeMap<(String, String), Vec<Option<String>>> = BTreeMap::new();
    for text in all.values().filter(|text| text.contains("kind: Mailbox")) {
        let who = (field(text, "agencyRef").unwrap(), field(text, "fullName").unwrap());
        years.entry(who).or_default().push(field(text, "disambiguator"));
    }
    let twins = years.values().filter(|group| group.len() > 1);
    assert!(twins.count() > 20);
    for (who, group) in years {
        let distinct: HashSet<_> = group.iter().collect();
        assert_eq!((distinct.len(), distinct.contains(&None)), (group.len(), true), "{who:?}: {group:?}");
    }
}
