//! Sensible, extreme and awkward values of every built-in type, as SQL literals.

/// Types that a column can have and whose values SQL cannot make: their columns stay NULL.
pub(crate) const WITHOUT_VALUES: [&str; 7] = [
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
];

/// Values by type name; each is quoted and cast by the caller.
pub(crate) const VALUES: &[(&str, &[&str])] = &[
    ("bool", &["t", "f"]),
    ("bytea", &["", r"\x00ff5c0a09", r"\x5c2e0a"]),
    ("char", &["a", "", r"\\", "é"]),
    ("name", &["a", "", "\"Ünïcode.name\"", r"tab\	and '"]),
    ("int2", &["-32768", "32767", "0"]),
    ("int4", &["-2147483648", "2147483647", "0"]),
    (
        "int8",
        &["-9223372036854775808", "9223372036854775807", "0"],
    ),
    ("int2vector", &["1 -2 3", "", "32767"]),
    ("oidvector", &["1 2 4294967295", "", "0"]),
    ("oid", &["0", "4294967295", "16384"]),
    ("tid", &["(0,1)", "(4294967295,65535)"]),
    ("xid", &["0", "4294967295"]),
    ("cid", &["0", "4294967295"]),
    ("xid8", &["0", "18446744073709551615"]),
    (
        "text",
        &[
            "",
            "\\N",
            "\\.",
            "a\tb\nc\rd\\e\u{8}\u{c}\u{b}",
            "日本語 🐘 'quoted'",
            "NULL",
        ],
    ),
    ("varchar", &["", "  padded  ", "\\N"]),
    ("bpchar", &["", "padded   ", "x"]),
    ("refcursor", &["", "a cursor"]),
    (
        "json",
        &[
            r#"{"b": 1, "a":  [null, "\u00e9\n"], "a": 2}"#,
            "null",
            "1e400",
        ],
    ),
    (
        "jsonb",
        &[r#"{"b": 1, "a": [null, "é\n", 1e300, {}]}"#, "null", "[]"],
    ),
    (
        "jsonpath",
        &[
            "$",
            r#"strict $.a[*] ? (@.b like_regex "^x" flag "i").size()"#,
        ],
    ),
    (
        "xml",
        &[
            "",
            "only text",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?><a b='c'>é</a>",
            "<a/><b>two roots</b>",
        ],
    ),
    ("point", &["(0,0)", "(-1.5,1e308)", "(Infinity,NaN)"]),
    ("lseg", &["[(0,0),(1,-1)]", "[(1e-300,2),(3,4)]"]),
    ("path", &["[(0,0),(1,1),(2,0)]", "((0,0),(1,1))"]),
    ("box", &["(1,1),(0,0)", "(Infinity,2),(-3,-4)"]),
    ("polygon", &["((0,0),(1,1),(2,0))", "((0,0))"]),
    ("line", &["{1,-1,0}", "{0.1,2,-3}"]),
    ("circle", &["<(0,0),1>", "<(1.1,2.2),0>"]),
    (
        "float4",
        &["NaN", "-Infinity", "3.4028235e38", "1e-45", "-0", "0.1"],
    ),
    (
        "float8",
        &[
            "NaN",
            "Infinity",
            "1.7976931348623157e308",
            "5e-324",
            "-0",
            "0.30000000000000004",
        ],
    ),
    (
        "numeric",
        &[
            "NaN",
            "Infinity",
            "-Infinity",
            "0",
            "-1e-16383",
            "1e131071",
            "0.1000",
            "12345678901234567890.12345678901234567890",
        ],
    ),
    (
        "money",
        &["-92233720368547758.08", "92233720368547758.07", "0"],
    ),
    ("macaddr", &["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"]),
    (
        "macaddr8",
        &["08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03"],
    ),
    (
        "inet",
        &["0.0.0.0/0", "192.168.1.5/24", "::1", "2001:db8::1/64"],
    ),
    ("cidr", &["0.0.0.0/0", "10.0.0.0/8", "2001:db8::/32"]),
    (
        "aclitem",
        &["=r/pg_monitor", "pg_monitor=arwdDxt*/pg_monitor"],
    ),
    (
        "date",
        &[
            "infinity",
            "-infinity",
            "4713-01-01 BC",
            "5874897-12-31",
            "2024-02-29",
        ],
    ),
    ("time", &["00:00:00", "24:00:00", "23:59:59.999999"]),
    (
        "timetz",
        &["00:00:00+15:59", "24:00:00-15:59", "12:34:56.789+05:30"],
    ),
    (
        "timestamp",
        &[
            "infinity",
            "-infinity",
            "4713-01-01 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "0044-03-15 12:00 BC",
        ],
    ),
    (
        "timestamptz",
        &[
            "infinity",
            "-infinity",
            "4713-01-02 00:00:00+00 BC",
            "294276-12-31 23:59:59.999999+00",
            "2024-03-31 02:30:00 Europe/Berlin",
        ],
    ),
    (
        "interval",
        &[
            "178000000 years",
            "-178000000 years -1 mon +30 days -12:34:56.789",
            "0",
            "1 mon -1 day +00:00:00.000001",
        ],
    ),
    ("bit", &["", "1", "101100111000"]),
    ("varbit", &["", "0", "1111000011110"]),
    (
        "uuid",
        &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
    ),
    ("pg_lsn", &["0/0", "FFFFFFFF/FFFFFFFF", "16/B374D848"]),
    (
        "tsvector",
        &["", "'a':1A,3B 'fat cat':2 'it''s'", "'\\\\':16383"],
    ),
    (
        "tsquery",
        &["", "'a' & !'b':*AB | ('c' <-> 'd')", "'it''s'"],
    ),
    ("txid_snapshot", &["10:20:10,14,15", "1:1:"]),
    ("pg_snapshot", &["10:20:10,14,15", "1:1:"]),
    ("regproc", &["now", "0"]),
    ("regprocedure", &["abs(integer)", "0"]),
    ("regoper", &["||/", "0"]),
    ("regoperator", &["+(integer,integer)", "-(NONE,bigint)"]),
    ("regclass", &["pg_class", "999999999", "0"]),
    ("regcollation", &["\"C\"", "0"]),
    ("regtype", &["integer", "timestamp with time zone[]", "0"]),
    ("regrole", &["pg_monitor", "999999999"]),
    ("regnamespace", &["pg_catalog", "0"]),
    ("regconfig", &["english", "0"]),
    ("regdictionary", &["simple", "0"]),
    ("int4range", &["empty", "[1,10)", "(,)", "[5,]"]),
    ("int8range", &["empty", "[-9223372036854775808,1)", "(,)"]),
    (
        "numrange",
        &["empty", "(0.10,1e100]", "[NaN,NaN]", "(,-Infinity)"],
    ),
    (
        "tsrange",
        &[
            "empty",
            "[2024-01-01,infinity)",
            "[4713-01-01 BC,2024-01-01]",
        ],
    ),
    (
        "tstzrange",
        &["empty", "[2024-01-01 00:00+05:30,)", "(-infinity,infinity)"],
    ),
    (
        "daterange",
        &["empty", "[2024-01-01,2024-02-01]", "[-infinity,infinity]"],
    ),
    ("int4multirange", &["{}", "{[1,3),[5,8),[10,)}", "{(,)}"]),
    ("int8multirange", &["{}", "{[1,3),[5,8)}"]),
    ("nummultirange", &["{}", "{[1.0,3.5],(5,8)}"]),
    (
        "tsmultirange",
        &["{}", "{[2024-01-01,2024-02-01),[2024-03-01,)}"],
    ),
    (
        "tstzmultirange",
        &["{}", "{[2024-01-01 00:00+00,2024-02-01 00:00+00)}"],
    ),
    (
        "datemultirange",
        &["{}", "{[2024-01-01,2024-02-01),[2024-03-01,)}"],
    ),
];
