"""Dask: dataframe queries written by hand, run by the threaded scheduler.

They follow the same rules as those of on_polars.py. What is left after grouping is small and is sorted and cut by
pandas. Money becomes float64 when it is computed with: pandas computes with decimals as Python objects, much slower.
"""

import datetime
import inspect

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

import sql

# A file as one partition would leave all threads but one idle; a partition for each row group makes small tasks.
PARTITION = "64MiB"


class Engine:
    version = dask.__version__

    def __init__(self, folder, threads):
        pa.set_cpu_count(threads)
        # The default for threads goes through files.
        dask.config.set({"scheduler": "threads", "num_workers": threads, "dataframe.shuffle.method": "tasks"})
        self.tables = {table: dd.read_parquet(folder / f"{table}.parquet", blocksize=PARTITION) for table in sql.TABLES}

    def run(self, number):
        query = globals()[f"q{number:02}"]
        tables = [self.tables[name] for name in inspect.signature(query).parameters]
        return query(*tables)

    def to_arrow(self, result):
        return pa.Table.from_pandas(result, preserve_index=False)


def _date(text):
    return datetime.date.fromisoformat(text)


def _float(money):
    # Arrow casts decimals; pandas alone would make Python objects of them.
    return money.astype("double[pyarrow]").astype("float64")


def _with_revenue(lines):
    return lines.assign(revenue=_float(lines.l_extendedprice) * (1 - _float(lines.l_discount)))


def _join(left, right, left_on, right_on, how="inner"):
    return left.merge(right, left_on=left_on, right_on=right_on, how=how)


def _without(left, right, left_on, right_on):
    joined = left.merge(right, left_on=left_on, right_on=right_on, how="left", indicator=True)
    return joined[joined["_merge"] == "left_only"]


def q01(lineitem):
    lines = _with_revenue(lineitem[lineitem.l_shipdate <= _date("1998-09-02")])
    lines = lines.assign(
        qty=_float(lines.l_quantity),
        price=_float(lines.l_extendedprice),
        disc=_float(lines.l_discount),
        charge=lines.revenue * (1 + _float(lines.l_tax)),
    )
    groups = lines.groupby(["l_returnflag", "l_linestatus"])
    result = groups.agg(
        {
            "qty": ["sum", "mean"],
            "price": ["sum", "mean"],
            "revenue": "sum",
            "charge": "sum",
            "disc": "mean",
            "l_orderkey": "count",
        }
    ).compute()
    result.columns = ["_".join(names) for names in result.columns]
    result = result.sort_index().reset_index()
    return result[
        ["l_returnflag", "l_linestatus", "qty_sum", "price_sum", "revenue_sum", "charge_sum", "qty_mean", "price_mean"]
        + ["disc_mean", "l_orderkey_count"]
    ]


def q02(part, supplier, partsupp, nation, region):
    parts = part[(part.p_size == 15) & part.p_type.str.endswith("BRASS")][["p_partkey", "p_mfgr"]]
    nations = _join(region[region.r_name == "EUROPE"][["r_regionkey"]], nation, "r_regionkey", "n_regionkey")
    suppliers = _join(nations[["n_nationkey", "n_name"]], supplier, "n_nationkey", "s_nationkey")
    offers = _join(parts, partsupp, "p_partkey", "ps_partkey")
    offers = _join(offers.assign(cost=_float(offers.ps_supplycost)), suppliers, "ps_suppkey", "s_suppkey")
    cheapest = offers.groupby("p_partkey").cost.min().reset_index()
    result = offers.merge(cheapest, on=["p_partkey", "cost"])
    result = result[
        ["s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone", "s_comment"]
    ].compute()
    order = ["s_acctbal", "n_name", "s_name", "p_partkey"]
    return result.sort_values(order, ascending=[False, True, True, True]).head(100)


def q03(customer, orders, lineitem):
    customers = customer[customer.c_mktsegment == "BUILDING"][["c_custkey"]]
    orders = orders[orders.o_orderdate < _date("1995-03-15")]
    lines = _with_revenue(lineitem[lineitem.l_shipdate > _date("1995-03-15")])
    joined = _join(_join(customers, orders, "c_custkey", "o_custkey"), lines, "o_orderkey", "l_orderkey")
    result = joined.groupby(["l_orderkey", "o_orderdate", "o_shippriority"]).revenue.sum().reset_index().compute()
    result = result.sort_values(["revenue", "o_orderdate"], ascending=[False, True]).head(10)
    return result[["l_orderkey", "revenue", "o_orderdate", "o_shippriority"]]


def q04(orders, lineitem):
    orders = orders[(orders.o_orderdate >= _date("1993-07-01")) & (orders.o_orderdate < _date("1993-10-01"))]
    late = lineitem[lineitem.l_commitdate < lineitem.l_receiptdate][["l_orderkey"]]
    kept = _join(orders[["o_orderkey", "o_orderpriority"]], late, "o_orderkey", "l_orderkey", how="leftsemi")
    return kept.groupby("o_orderpriority").o_orderkey.count().compute().sort_index().reset_index()


def q05(customer, orders, lineitem, supplier, nation, region):
    nations = _join(region[region.r_name == "ASIA"][["r_regionkey"]], nation, "r_regionkey", "n_regionkey")
    customers = _join(nations[["n_nationkey", "n_name"]], customer, "n_nationkey", "c_nationkey")
    orders = orders[(orders.o_orderdate >= _date("1994-01-01")) & (orders.o_orderdate < _date("1995-01-01"))]
    orders = _join(customers[["n_nationkey", "n_name", "c_custkey"]], orders, "c_custkey", "o_custkey")
    joined = _join(orders[["n_nationkey", "n_name", "o_orderkey"]], lineitem, "o_orderkey", "l_orderkey")
    suppliers = supplier[["s_suppkey", "s_nationkey"]]
    joined = _join(joined, suppliers, ["l_suppkey", "n_nationkey"], ["s_suppkey", "s_nationkey"])
    result = _with_revenue(joined).groupby("n_name").revenue.sum().compute()
    return result.sort_values(ascending=False).reset_index()


def q06(lineitem):
    lines = lineitem[(lineitem.l_shipdate >= _date("1994-01-01")) & (lineitem.l_shipdate < _date("1995-01-01"))]
    discount = _float(lines.l_discount)
    lines = lines[(discount >= 0.05) & (discount <= 0.07) & (_float(lines.l_quantity) < 24)]
    return _one_value("revenue", (_float(lines.l_extendedprice) * _float(lines.l_discount)).sum().compute())


def q07(supplier, lineitem, orders, customer, nation):
    two = nation[nation.n_name.isin(["FRANCE", "GERMANY"])][["n_nationkey", "n_name"]]
    suppliers = _join(two.rename(columns={"n_name": "supp_nation"}), supplier, "n_nationkey", "s_nationkey")
    customers = _join(two.rename(columns={"n_name": "cust_nation"}), customer, "n_nationkey", "c_nationkey")
    lines = lineitem[(lineitem.l_shipdate >= _date("1995-01-01")) & (lineitem.l_shipdate <= _date("1996-12-31"))]
    lines = _join(suppliers[["supp_nation", "s_suppkey"]], lines, "s_suppkey", "l_suppkey")
    orders = _join(customers[["cust_nation", "c_custkey"]], orders, "c_custkey", "o_custkey")
    joined = _join(lines, orders[["cust_nation", "o_orderkey"]], "l_orderkey", "o_orderkey")
    joined = _with_revenue(joined[joined.supp_nation != joined.cust_nation])
    joined = joined.assign(l_year=joined.l_shipdate.dt.year)
    result = joined.groupby(["supp_nation", "cust_nation", "l_year"]).revenue.sum()
    return result.compute().sort_index().reset_index()


def q08(part, supplier, lineitem, orders, customer, nation, region):
    nations = _join(region[region.r_name == "AMERICA"][["r_regionkey"]], nation, "r_regionkey", "n_regionkey")
    customers = _join(nations[["n_nationkey"]], customer, "n_nationkey", "c_nationkey")[["c_custkey"]]
    parts = part[part.p_type == "ECONOMY ANODIZED STEEL"][["p_partkey"]]
    orders = orders[(orders.o_orderdate >= _date("1995-01-01")) & (orders.o_orderdate <= _date("1996-12-31"))]
    suppliers = _join(nation[["n_nationkey", "n_name"]], supplier, "n_nationkey", "s_nationkey")
    joined = _join(parts, lineitem, "p_partkey", "l_partkey")
    joined = _join(joined, orders[["o_orderkey", "o_custkey", "o_orderdate"]], "l_orderkey", "o_orderkey")
    joined = _with_revenue(_join(joined, customers, "o_custkey", "c_custkey"))
    joined = _join(joined, suppliers[["s_suppkey", "n_name"]], "l_suppkey", "s_suppkey")
    joined = joined.assign(
        o_year=joined.o_orderdate.dt.year, brazil=joined.revenue.where(joined.n_name == "BRAZIL", 0.0)
    )
    sums = joined.groupby("o_year")[["brazil", "revenue"]].sum().compute().sort_index()
    return (sums.brazil / sums.revenue).rename("mkt_share").reset_index()


def q09(part, supplier, lineitem, partsupp, orders, nation):
    parts = part[part.p_name.str.contains("green", regex=False)][["p_partkey"]]
    suppliers = _join(nation[["n_nationkey", "n_name"]], supplier, "n_nationkey", "s_nationkey")
    offers = partsupp[["ps_partkey", "ps_suppkey", "ps_supplycost"]]
    joined = _join(parts, lineitem, "p_partkey", "l_partkey")
    joined = _join(joined, offers, ["p_partkey", "l_suppkey"], ["ps_partkey", "ps_suppkey"])
    joined = _with_revenue(_join(joined, suppliers[["s_suppkey", "n_name"]], "l_suppkey", "s_suppkey"))
    joined = joined.assign(amount=joined.revenue - _float(joined.ps_supplycost) * _float(joined.l_quantity))
    joined = _join(
        joined[["l_orderkey", "n_name", "amount"]], orders[["o_orderkey", "o_orderdate"]], "l_orderkey", "o_orderkey"
    )
    joined = joined.assign(o_year=joined.o_orderdate.dt.year)
    result = joined.groupby(["n_name", "o_year"]).amount.sum().reset_index().compute()
    return result.sort_values(["n_name", "o_year"], ascending=[True, False])


def q10(customer, orders, lineitem, nation):
    orders = orders[(orders.o_orderdate >= _date("1993-10-01")) & (orders.o_orderdate < _date("1994-01-01"))]
    lines = lineitem[lineitem.l_returnflag == "R"][["l_orderkey", "l_extendedprice", "l_discount"]]
    joined = _with_revenue(_join(orders[["o_orderkey", "o_custkey"]], lines, "o_orderkey", "l_orderkey"))
    joined = _join(joined[["o_custkey", "revenue"]], customer, "o_custkey", "c_custkey")
    joined = _join(joined, nation[["n_nationkey", "n_name"]], "c_nationkey", "n_nationkey")
    joined = joined.assign(acctbal=_float(joined.c_acctbal))
    keys = ["c_custkey", "c_name", "acctbal", "c_phone", "n_name", "c_address", "c_comment"]
    result = joined.groupby(keys).revenue.sum().reset_index().compute()
    result = result.sort_values("revenue", ascending=False).head(20)
    return result[["c_custkey", "c_name", "revenue", "acctbal", "n_name", "c_address", "c_phone", "c_comment"]]


def q11(partsupp, supplier, nation):
    suppliers = _join(nation[nation.n_name == "GERMANY"][["n_nationkey"]], supplier, "n_nationkey", "s_nationkey")
    offers = _join(suppliers[["s_suppkey"]], partsupp, "s_suppkey", "ps_suppkey")
    offers = offers.assign(value=_float(offers.ps_supplycost) * offers.ps_availqty)
    result = offers.groupby("ps_partkey").value.sum().reset_index().compute()
    result = result[result.value > result.value.sum() * 0.0001]
    return result.sort_values("value", ascending=False)


def q12(orders, lineitem):
    lines = lineitem[
        lineitem.l_shipmode.isin(["MAIL", "SHIP"])
        & (lineitem.l_commitdate < lineitem.l_receiptdate)
        & (lineitem.l_shipdate < lineitem.l_commitdate)
        & (lineitem.l_receiptdate >= _date("1994-01-01"))
        & (lineitem.l_receiptdate < _date("1995-01-01"))
    ]
    joined = _join(
        lines[["l_orderkey", "l_shipmode"]], orders[["o_orderkey", "o_orderpriority"]], "l_orderkey", "o_orderkey"
    )
    urgent = joined.o_orderpriority.isin(["1-URGENT", "2-HIGH"])
    joined = joined.assign(high=urgent.astype("int64"), low=(~urgent).astype("int64"))
    return joined.groupby("l_shipmode")[["high", "low"]].sum().compute().sort_index().reset_index()


def q13(customer, orders):
    orders = orders[~orders.o_comment.str.contains("special.*requests")][["o_orderkey", "o_custkey"]]
    joined = _join(customer[["c_custkey"]], orders, "c_custkey", "o_custkey", how="left")
    counts = joined.groupby("c_custkey").o_orderkey.count().rename("c_count").reset_index()
    result = counts.groupby("c_count").c_custkey.count().rename("custdist").reset_index().compute()
    return result.sort_values(["custdist", "c_count"], ascending=False)


def q14(lineitem, part):
    lines = lineitem[(lineitem.l_shipdate >= _date("1995-09-01")) & (lineitem.l_shipdate < _date("1995-10-01"))]
    joined = _with_revenue(_join(lines, part[["p_partkey", "p_type"]], "l_partkey", "p_partkey"))
    promo = joined.revenue.where(joined.p_type.str.startswith("PROMO"), 0.0)
    return _one_value("promo_revenue", (100.0 * promo.sum() / joined.revenue.sum()).compute())


def q15(supplier, lineitem):
    lines = lineitem[(lineitem.l_shipdate >= _date("1996-01-01")) & (lineitem.l_shipdate < _date("1996-04-01"))]
    revenue = _with_revenue(lines).groupby("l_suppkey").revenue.sum().reset_index()
    suppliers = supplier[["s_suppkey", "s_name", "s_address", "s_phone"]]
    result = _join(suppliers, revenue, "s_suppkey", "l_suppkey").compute()
    result = result[result.revenue == result.revenue.max()].sort_values("s_suppkey")
    return result[["s_suppkey", "s_name", "s_address", "s_phone", "revenue"]]


def q16(partsupp, part, supplier):
    parts = part[
        (part.p_brand != "Brand#45")
        & ~part.p_type.str.startswith("MEDIUM POLISHED")
        & part.p_size.isin([49, 14, 23, 45, 19, 3, 36, 9])
    ]
    complaints = supplier[supplier.s_comment.str.contains("Customer.*Complaints")][["s_suppkey"]]
    parts = parts[["p_partkey", "p_brand", "p_type", "p_size"]]
    joined = _join(parts, partsupp[["ps_partkey", "ps_suppkey"]], "p_partkey", "ps_partkey")
    joined = _without(joined, complaints, "ps_suppkey", "s_suppkey")
    result = joined.groupby(["p_brand", "p_type", "p_size"]).ps_suppkey.nunique().reset_index().compute()
    return result.sort_values(["ps_suppkey", "p_brand", "p_type", "p_size"], ascending=[False, True, True, True])


def q17(lineitem, part):
    parts = part[(part.p_brand == "Brand#23") & (part.p_container == "MED BOX")][["p_partkey"]]
    lines = _join(parts, lineitem, "p_partkey", "l_partkey")
    lines = lines.assign(quantity=_float(lines.l_quantity), price=_float(lines.l_extendedprice))
    lines = lines[["p_partkey", "quantity", "price"]]
    average = lines.groupby("p_partkey").quantity.mean().rename("average").reset_index()
    lines = lines.merge(average, on="p_partkey")
    return _one_value("avg_yearly", (lines[lines.quantity < 0.2 * lines.average].price.sum() / 7.0).compute())


def q18(customer, orders, lineitem):
    lines = lineitem.assign(quantity=_float(lineitem.l_quantity))[["l_orderkey", "quantity"]]
    sums = lines.groupby("l_orderkey").quantity.sum().reset_index()
    orders = orders[["o_orderkey", "o_custkey", "o_orderdate", "o_totalprice"]]
    large = _join(orders, sums[sums.quantity > 300][["l_orderkey"]], "o_orderkey", "l_orderkey", how="leftsemi")
    joined = _join(large, customer[["c_custkey", "c_name"]], "o_custkey", "c_custkey")
    joined = joined.assign(totalprice=_float(joined.o_totalprice))
    joined = _join(joined, lines, "o_orderkey", "l_orderkey")
    keys = ["c_name", "c_custkey", "o_orderkey", "o_orderdate", "totalprice"]
    result = joined.groupby(keys).quantity.sum().reset_index().compute()
    return result.sort_values(["totalprice", "o_orderdate"], ascending=[False, True]).head(100)


def q19(lineitem, part):
    lines = lineitem[lineitem.l_shipmode.isin(["AIR", "AIR REG"]) & (lineitem.l_shipinstruct == "DELIVER IN PERSON")]
    parts = part[["p_partkey", "p_brand", "p_container", "p_size"]]
    joined = _join(lines, parts, "l_partkey", "p_partkey")
    quantity = _float(joined.l_quantity)

    def kind(brand, containers, least, size):
        return (
            (joined.p_brand == brand)
            & joined.p_container.isin(containers)
            & (quantity >= least)
            & (quantity <= least + 10)
            & (joined.p_size >= 1)
            & (joined.p_size <= size)
        )

    kept = joined[
        kind("Brand#12", ["SM CASE", "SM BOX", "SM PACK", "SM PKG"], 1, 5)
        | kind("Brand#23", ["MED BAG", "MED BOX", "MED PKG", "MED PACK"], 10, 10)
        | kind("Brand#34", ["LG CASE", "LG BOX", "LG PACK", "LG PKG"], 20, 15)
    ]
    return _one_value("revenue", _with_revenue(kept).revenue.sum().compute())


def q20(supplier, nation, partsupp, part, lineitem):
    parts = part[part.p_name.str.startswith("forest")][["p_partkey"]]
    offers = partsupp[["ps_partkey", "ps_suppkey", "ps_availqty"]]
    offers = _join(offers, parts, "ps_partkey", "p_partkey", how="leftsemi")
    offer, line = ["ps_partkey", "ps_suppkey"], ["l_partkey", "l_suppkey"]
    lines = lineitem[(lineitem.l_shipdate >= _date("1994-01-01")) & (lineitem.l_shipdate < _date("1995-01-01"))]
    lines = _join(lines[[*line, "l_quantity"]], offers[offer], line, offer, how="leftsemi")
    sold = lines.assign(quantity=_float(lines.l_quantity)).groupby(line).quantity.sum().reset_index()
    offers = _join(offers, sold, offer, line)
    surplus = offers[offers.ps_availqty > 0.5 * offers.quantity][["ps_suppkey"]]
    suppliers = _join(nation[nation.n_name == "CANADA"][["n_nationkey"]], supplier, "n_nationkey", "s_nationkey")
    suppliers = suppliers[["s_suppkey", "s_name", "s_address"]]
    result = _join(suppliers, surplus, "s_suppkey", "ps_suppkey", how="leftsemi").compute()
    return result[["s_name", "s_address"]].sort_values("s_name")


def q21(supplier, lineitem, orders, nation):
    local = _join(nation[nation.n_name == "SAUDI ARABIA"][["n_nationkey"]], supplier, "n_nationkey", "s_nationkey")
    late = lineitem[lineitem.l_receiptdate > lineitem.l_commitdate][["l_orderkey", "l_suppkey"]]
    waiting = _join(local[["s_suppkey", "s_name"]], late, "s_suppkey", "l_suppkey")[["s_name", "l_orderkey"]]
    failed = orders[orders.o_orderstatus == "F"][["o_orderkey"]]
    waiting = _join(waiting, failed, "l_orderkey", "o_orderkey")[["s_name", "l_orderkey"]]

    def suppliers(lines):
        lines = lines.merge(waiting[["l_orderkey"]], on="l_orderkey", how="leftsemi")
        return lines.groupby("l_orderkey").l_suppkey.agg(["min", "max"]).reset_index()

    # Another supplier is there when the smallest and the largest of an order's suppliers differ.
    all_suppliers, late_suppliers = suppliers(lineitem[["l_orderkey", "l_suppkey"]]), suppliers(late)
    with_others = all_suppliers[all_suppliers["min"] != all_suppliers["max"]][["l_orderkey"]]
    late_alone = late_suppliers[late_suppliers["min"] == late_suppliers["max"]][["l_orderkey"]]
    blamed = with_others.merge(late_alone, on="l_orderkey")
    result = waiting.merge(blamed, on="l_orderkey", how="leftsemi")
    result = result.groupby("s_name").l_orderkey.count().rename("numwait").reset_index().compute()
    return result.sort_values(["numwait", "s_name"], ascending=[False, True]).head(100)


def q22(customer, orders):
    customers = customer.assign(cntrycode=customer.c_phone.str.slice(0, 2), acctbal=_float(customer.c_acctbal))
    customers = customers[customers.cntrycode.isin(["13", "31", "23", "29", "30", "18", "17"])]
    customers = customers[["c_custkey", "cntrycode", "acctbal"]]
    average = customers[customers.acctbal > 0].acctbal.mean()
    idle = _without(customers[customers.acctbal > average], orders[["o_custkey"]], "c_custkey", "o_custkey")
    return idle.groupby("cntrycode").acctbal.agg(["count", "sum"]).compute().sort_index().reset_index()


def _one_value(name, value):
    return pd.DataFrame({name: [value]})
