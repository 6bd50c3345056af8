//! Stored dumps that are damaged after they were proven: each level of `verify` tells what it says it tells.

use crate::support::{
    Answer,
    postgres::Cluster,
    served::{SERIES, Served},
};
use policy::store::manifest::Manifest;
use sha2::{Digest as _, Sha256};
use std::{fs, path::PathBuf};

const SHOP: &str = "CREATE TABLE orders (id int PRIMARY KEY, x text); \
    INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(1, 3000) n; CREATE TABLE few (x int); INSERT INTO few VALUES (1), (2)";

fn stored(shop: &Served<'_>) -> PathBuf {
    let stamp = shop.backups(SERIES).pop().unwrap();
    let folder = shop.path(&format!("{SERIES}/{stamp}"));
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        !path.ends_with("manifest.json")
            && path.extension().is_some_and(|found| found == "zst" || found == "tar")
    });
    assert_eq!(files.len(), 1, "{files:?}");
    files.pop().unwrap()
}

fn fails(shop: &Served<'_>, level: &str, what: &str) -> Answer {
    let answer = shop.run(&["verify", "--level", level, "app", "--json"]);
    assert_eq!(answer.exit, 4, "{what}, {level}: {answer}");
    assert_eq!(answer.json()[0]["passed"], false, "{what}, {level}: {answer}");
    let answer = shop.run(&["restore", "app", "--to", "of_damage", "--yes"]);
    assert!(answer.exit != 0 && !shop.databases().contains(&"of_damage".to_owned()), "{what}: {answer}");
    answer
}

#[test]
fn a_stored_dump_that_was_cut_or_changed_fails_every_level_and_is_not_restored() {
    let Some(cluster) = Cluster::start() else { return };
    for format in ["plain", "custom", "directory"] {
        let shop = Served::new(
            &cluster,
            SHOP,
            (&format!(", format: {format}"), "tables: {irreplaceable: ['*']}\nscratch: of_levels", ""),
        );
        shop.run(&["run"]).exits(0);
        let file = stored(&shop);
        let whole = fs::read(&file).unwrap();
        for level in ["checksum", "integrity", "checks", "restore"] {
            shop.run(&["verify", "--level", level, "app"]).exits(0);
            fs::write(&file, &whole[..whole.len() - 1]).unwrap();
            fails(&shop, level, "cut");
            let mut flipped = whole.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            fs::write(&file, &flipped).unwrap();
            fails(&shop, level, "flipped");
            fs::write(&file, &whole).unwrap();
            shop.run(&["verify", "--level", level, "app"]).exits(0);
        }
        shop.is_clean(format);
    }
}

/// Puts other content in the place of a stored dump, with a manifest that says it is that.
fn replace(shop: &Served<'_>, content: &[u8]) {
    let file = stored(shop);
    let packed = zstd::encode_all(content, 3).unwrap();
    let place = file.parent().unwrap().join("manifest.json");
    let mut manifest = Manifest::read(&fs::read(&place).unwrap()).unwrap();
    let entry = &mut manifest.files[0];
    entry.bytes = packed.len() as u64;
    entry.sha256 = hex::encode(Sha256::digest(&packed));
    entry.plain_bytes = content.len() as u64;
    entry.plain_blake3 = blake3::hash(content).to_hex().to_string();
    (manifest.bytes, manifest.original_bytes) = (entry.bytes, entry.plain_bytes);
    let (manifest, text) = manifest.seal();
    let sums = place.with_file_name("SHA256SUMS");
    if sums.exists() {
        fs::write(sums, manifest.sums()).unwrap();
    }
    fs::write(&place, text).unwrap();
    fs::write(&file, packed).unwrap();
}

#[test]
fn a_dump_that_holds_other_rows_than_were_counted_fails_from_integrity_on() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(
        &cluster,
        SHOP,
        (", format: plain", "tables: {irreplaceable: [orders], recoverable: [few]}\nscratch: of_rows", ""),
    );
    shop.run(&["run"]).exits(0);
    let place = shop.root().join("dump.sql");
    crate::support::content::decode(&stored(&shop), &place);
    let text = fs::read_to_string(&place).unwrap();
    let row = text.lines().find(|line| line.starts_with("1500\t")).unwrap();
    replace(&shop, text.replace(&format!("{row}\n"), "").as_bytes());
    shop.run(&["verify", "--level", "checksum", "app"]).exits(0);
    for level in ["integrity", "checks", "restore"] {
        shop.run(&["verify", "--level", level, "app"]).exits(4).says("orders").says("2999");
    }
    // Of a table that can be made again as well.
    replace(&shop, text.replace("\n1\n2\n\\.", "\n1\n\\.").as_bytes());
    for level in ["integrity", "restore"] {
        shop.run(&["verify", "--level", level, "app"]).exits(4).says("few");
    }
    // One that ends too early: its last lines are not there.
    replace(&shop, &text.as_bytes()[..text.len() * 2 / 3]);
    for level in ["integrity", "checks", "restore"] {
        shop.run(&["verify", "--level", level, "app"]).exits(4);
    }
    // One that would have `psql` do something on this host.
    let evil = text.replacen("CREATE TABLE", "\\! touch escaped\nCREATE TABLE", 1);
    replace(&shop, evil.as_bytes());
    for level in ["integrity", "checks", "restore"] {
        shop.run(&["verify", "--level", level, "app"]).exits(4);
    }
    assert!(!shop.path("escaped").exists());
    shop.is_clean("refused");
}
