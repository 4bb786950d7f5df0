//! What only Vector sends: sets, distributions and sketches. Nothing of them is kept as it is read.

use super::{enter_map, read_pair};
use crate::decode::pull::{self, Fault, Key, Pull, Token};
use crate::decode::raw::{Fold, Presence, RawDistribution, RawSet, Scalar, Tally};

/// Reads `{"values": [...]}` and counts the values.
pub(super) fn read_set<'a, R: Pull<'a>>(reader: &mut R, set: &mut RawSet) -> Result<(), Fault> {
    let mut presence = Presence::Absent;
    let Some(mut extent) = enter_map(reader, &mut presence)? else {
        *set = match presence {
            Presence::Absent => RawSet::Absent,
            Presence::WrongType | Presence::Here => RawSet::WrongType,
        };
        return Ok(());
    };
    *set = RawSet::NoValues;
    while let Some(key) = reader.key(&mut extent)? {
        match key {
            Key::Text("values") => *set = count_values(reader)?,
            _ => reader.skip()?,
        }
    }
    Ok(())
}

fn count_values<'a, R: Pull<'a>>(reader: &mut R) -> Result<RawSet, Fault> {
    let mut extent = match reader.next()? {
        Token::Array(extent) => extent,
        Token::Map(extent) => {
            pull::skip_map(reader, extent)?;
            return Ok(RawSet::NoList);
        }
        Token::Scalar(_) => return Ok(RawSet::NoList),
    };
    let (mut size, mut is_odd) = (0, false);
    while reader.element(&mut extent)? {
        size += 1;
        is_odd |= match pull::scalar(reader)? {
            Scalar::Text(_) | Scalar::Bytes(_) | Scalar::Number(_) | Scalar::Bool(_) => false,
            Scalar::Null | Scalar::Array | Scalar::Map | Scalar::Extension { .. } => true,
        };
    }
    Ok(if is_odd { RawSet::OddValue } else { RawSet::Size(size) })
}

/// Reads `{"samples": [{"value", "rate"}, ...]}` and hands each sample to `fold`.
pub(super) fn read_distribution<'a, R: Pull<'a>>(
    reader: &mut R,
    distribution: &mut RawDistribution,
    fold: Fold,
) -> Result<(), Fault> {
    distribution.clear();
    let Some(mut extent) = enter_map(reader, &mut distribution.presence)? else { return Ok(()) };
    while let Some(key) = reader.key(&mut extent)? {
        match key {
            Key::Text("samples") => {
                // The last of duplicate members wins (C2.1).
                distribution.tally.clear();
                distribution.list = fold_samples(reader, &mut distribution.tally, fold)?;
            }
            _ => reader.skip()?,
        }
    }
    Ok(())
}

fn fold_samples<'a, R: Pull<'a>>(
    reader: &mut R,
    tally: &mut Tally,
    fold: Fold,
) -> Result<Presence, Fault> {
    let mut extent = match reader.next()? {
        Token::Array(extent) => extent,
        Token::Map(extent) => {
            pull::skip_map(reader, extent)?;
            return Ok(Presence::WrongType);
        }
        Token::Scalar(_) => return Ok(Presence::WrongType),
    };
    while reader.element(&mut extent)? {
        fold(&read_pair(reader, "rate", "value")?, tally);
    }
    Ok(Presence::Here)
}

/// Reads past a sketch and says whether there is one.
pub(super) fn read_sketch<'a, R: Pull<'a>>(reader: &mut R) -> Result<Presence, Fault> {
    Ok(match pull::scalar(reader)? {
        Scalar::Null => Presence::Absent,
        _ => Presence::Here,
    })
}
