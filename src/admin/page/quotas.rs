//! What sources may send, of those that are limited.

use std::fmt;

use super::super::names;
use super::super::reading::Reading;
use super::super::sheet::Sheet;
use crate::quota::Rate;

pub(super) fn quotas(sheet: &mut Sheet<'_>, reading: &Reading) -> fmt::Result {
    let quotas = &reading.quotas;
    let standings: Vec<_> = quotas.iter().filter_map(|quota| quota.standing(reading.at)).collect();
    let series = standings.iter().map(|of| ([("source", &*of.source)], of.series));
    sheet.each(&names::SOURCE_SERIES, series)?;
    let limits = standings.iter().map(|of| ([("source", &*of.source)], of.limit));
    sheet.each(&names::SOURCE_SERIES_LIMIT, limits)?;
    let over = quotas.iter().flat_map(|quota| {
        let limited = Rate::ALL.into_iter().filter(|rate| quota.per_minute(*rate).is_some());
        limited.map(|rate| {
            ([("source", &**quota.name()), ("limit", rate.as_str())], quota.refused(rate))
        })
    });
    sheet.each(&names::SOURCE_OVER, over)
}
