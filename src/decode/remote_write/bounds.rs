//! The upper bounds of exponential buckets, the very doubles that Prometheus has.
//!
//! With schema `n` a power of two is divided into `2^n` buckets: bucket `i` ends at `2^(i / 2^n)`. Between the
//! powers Prometheus goes by a table, whose entries were worked out one from the other and are up to two
//! steps of a double off; a bound that is shown here and there should be the same digits.

use std::sync::LazyLock;

/// Buckets to a power of two at the finest resolution, schema 8.
const FRACTIONS: usize = 256;

/// Fractions of one power of two, from 0.5 on.
static TABLE: LazyLock<[f64; FRACTIONS]> = LazyLock::new(table);

/// The finest schema, and the coarsest.
pub(super) const SCHEMA_MAX: i64 = 8;
pub(super) const SCHEMA_MIN: i64 = -4;

fn table() -> [f64; FRACTIONS] {
    let mut table = [0.5; FRACTIONS];
    // The double below the one nearest to the root: from here comes what the table is off by.
    table[FRACTIONS / 2] = 0.707_106_781_186_547_5;
    let mut factor = 2_f64.sqrt();
    let mut step = FRACTIONS / 4;
    while step > 0 {
        factor = factor.sqrt();
        for odd in (step..FRACTIONS).step_by(2 * step) {
            table[odd] = table[odd - step] * factor;
        }
        step /= 2;
    }
    table
}

/// Where the positive bucket `index` ends; `schema` is one of the exponential ones.
///
/// The last bucket of finite values ends at the largest double, for the next one counts infinities.
pub(super) fn upper(index: i64, schema: i64) -> f64 {
    debug_assert!((SCHEMA_MIN..=SCHEMA_MAX).contains(&schema), "the caller looked");
    if schema < 0 {
        return scale(0.5, (index << -schema).saturating_add(1));
    }
    let nth = (index & ((1 << schema) - 1)) << (SCHEMA_MAX - schema);
    scale(TABLE[nth as usize], (index >> schema) + 1)
}

/// `fraction * 2^exponent`, rounded once; `fraction` is at least a half and less than one.
fn scale(fraction: f64, exponent: i64) -> f64 {
    let doubled = fraction * 2.0;
    match exponent - 1 {
        1024 if doubled <= 1.0 => f64::MAX,
        1024.. => f64::INFINITY,
        power @ -1022..1024 => doubled * power_of_two(power),
        // Twice, for the power itself is no normal double; only the second product is rounded.
        power @ -1080..-1022 => doubled * power_of_two(-1022) * power_of_two(power + 1022),
        _ => 0.0,
    }
}

/// Exact for every power of a normal double.
fn power_of_two(power: i64) -> f64 {
    debug_assert!((-1022..1024).contains(&power), "the caller looked");
    f64::from_bits(((power + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_the_doubles_of_prometheus() {
        for (index, schema, bound) in [
            (0, 0, 1.0),
            (1, 0, 2.0),
            (-1, 0, 0.5),
            (10, 0, 1024.0),
            (512, 1, 2_f64.powi(256)),
            (0, -1, 1.0),
            (1, -1, 4.0),
            (1, -4, 65_536.0),
            (-1, -4, 1.0 / 65_536.0),
            (0, 8, 1.0),
            (256, 8, 2.0),
            (-256, 8, 0.5),
            (1, 1, 2.0 * 0.707_106_781_186_547_5),
            (1, 2, 1.189_207_115_002_721),
            (3, 2, 1.681_792_830_507_428_8),
            (1, 3, 1.090_507_732_665_257_7),
            (-2, 3, 0.840_896_415_253_714_4),
            (-1, 3, 0.917_004_043_204_671_1),
            (-1, 6, 0.989_228_013_193_975_2),
            (-32, 6, 0.707_106_781_186_547_5),
            (-1, 7, 0.994_599_423_483_632_8),
            (-1, 8, 0.997_296_056_085_469_8),
            (-2, 8, 0.994_599_423_483_632_8),
            (-3, 8, 0.991_910_082_425_109_5),
            (-255, 8, 0.501_355_637_525_101_3),
            (-127, 8, 0.709_023_942_160_207_6),
            (1024, 0, f64::MAX),
            (1025, 0, f64::INFINITY),
            (1023, 0, 2_f64.powi(1023)),
            (64, -4, f64::MAX),
            (65, -4, f64::INFINITY),
            (1024 << 8, 8, f64::MAX),
            ((1024 << 8) + 1, 8, f64::INFINITY),
            (-1074, 0, f64::from_bits(1)),
            (-1076, 0, 0.0),
            (-1022, 0, f64::MIN_POSITIVE),
            (-1023, 0, f64::MIN_POSITIVE / 2.0),
            (i64::from(i32::MAX) << 20, 8, f64::INFINITY),
            (-(i64::from(i32::MAX) << 20), -4, 0.0),
        ] {
            assert_eq!(upper(index, schema).to_bits(), bound.to_bits(), "{index} of {schema}");
        }
    }

    #[test]
    fn bounds_rise_and_are_within_two_steps_of_the_power_they_stand_for() {
        for schema in SCHEMA_MIN..=SCHEMA_MAX {
            let range = 60_i64 << schema.max(0);
            for index in -range..range {
                let (bound, next) = (upper(index, schema), upper(index + 1, schema));
                assert!(bound < next, "{index} of {schema}");
                let power = (index as f64 / 2_f64.powi(schema as i32)).exp2();
                let steps = (bound.to_bits() as i64).abs_diff(power.to_bits() as i64);
                assert!(steps <= 4 || power.is_infinite(), "{index} of {schema}: {steps}");
            }
        }
    }
}
