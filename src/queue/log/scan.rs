//! Reading a segment's records forward, over damage.
