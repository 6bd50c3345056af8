//! Databases that were set aside, by their names.

use super::{
    candidate::NAME_MAX_BYTES,
    session::{Session, SessionError},
};
use crate::watch::Watch;

/// What stands between a database's name and the stamp in the name of a set-aside one.
const MARK: &str = ".aside-";
/// The same for one that an undone exchange leaves.
const UNDONE: &str = ".undo-";

/// The name for a database that is set aside, with the moment's stamp (`2026-11-28T115804Z`, perhaps with `-2`).
///
/// Where it would be too long the database's name is cut, and a hash of it takes the place of what was cut, so that the
/// stamp stays whole and no two databases share their set-aside ones.
pub fn aside_name(live: &str, stamp: &str) -> String {
    let room = NAME_MAX_BYTES.saturating_sub(MARK.len() + stamp.len());
    if live.len() <= room {
        return format!("{live}{MARK}{stamp}");
    }
    let hash =
        live.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let cut = live.floor_char_boundary(room.saturating_sub(9));
    format!("{}~{hash:08x}{MARK}{stamp}", &live[..cut])
}

/// The stamp in the name of a set-aside database, when it was set aside from `live`.
fn stamp_of<'a>(live: &str, name: &'a str) -> Option<&'a str> {
    let (_, stamp) = name.rsplit_once(MARK)?;
    (order(stamp).is_some() && aside_name(live, stamp) == name).then_some(stamp)
}

/// Whether a name is one that a set-aside database could have, of whichever live one.
pub fn is_asides(name: &str) -> bool {
    name.rsplit_once(MARK).is_some_and(|(_, stamp)| order(stamp).is_some())
}

/// What orders stamps: time, then number within the second.
fn order(stamp: &str) -> Option<(&str, u32)> {
    const FORM: &[u8] = b"0000-00-00T000000";
    let (time, rest) = stamp.split_once('Z')?;
    let fits = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    if time.len() != FORM.len() || !time.bytes().zip(FORM).all(fits) {
        return None;
    }
    let number = if rest.is_empty() { 1 } else { rest.strip_prefix('-')?.parse().ok()? };
    Some((time, number))
}

/// The query for the names of all databases.
fn databases() -> &'static str {
    "SELECT datname::text FROM pg_catalog.pg_database ORDER BY 1"
}

/// What a database is to be called that takes the place of a set-aside one for a moment only; it is no longer than that name.
pub fn undone_name(aside: &str) -> String {
    aside.replacen(MARK, UNDONE, 1)
}

/// The set-aside databases of a name with their stamps, newest first.
///
/// # Errors
/// When the server refuses.
pub fn asides(
    session: &mut Session,
    live: &str,
    watch: &Watch<'_>,
) -> Result<Vec<(String, String)>, SessionError> {
    let rows = session.rows(databases(), usize::MAX, watch)?.rows;
    let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
    let mut found: Vec<(String, String)> =
        names.filter_map(|name| Some((stamp_of(live, &name)?.to_owned(), name))).collect();
    found.sort_by(|(a, _), (b, _)| order(b).cmp(&order(a)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "2026-11-28T115804Z";

    #[test]
    fn a_set_aside_database_keeps_its_stamp_however_long_the_name() {
        assert_eq!(aside_name("orders", STAMP), "orders.aside-2026-11-28T115804Z");
        let long = "ä".repeat(31);
        let name = aside_name(&long, &format!("{STAMP}-12"));
        assert!(name.len() <= 63 && name.ends_with(".aside-2026-11-28T115804Z-12"), "{name}");
        assert_eq!(stamp_of(&long, &name), Some("2026-11-28T115804Z-12"));
        assert_eq!(stamp_of(&format!("{}b", "ä".repeat(30)), &name), None);
        assert_eq!(stamp_of("orders", &name), None);
        let edge = "x".repeat(63 - 25);
        assert_eq!(aside_name(&edge, STAMP).len(), 63);
        assert_eq!(stamp_of(&edge, &aside_name(&edge, STAMP)), Some(STAMP));
        for not in ["orders", "orders.aside-", "orders.aside-2026", "orders.aside-2026-11-28T115804Z-x"] {
            assert_eq!(stamp_of("orders", not), None);
        }
        assert!(order("2026-11-28T115804Z-10") > order("2026-11-28T115804Z-2"));
    }
}
