"""Polars: lazy queries written by hand, run by the streaming engine.

Each says what the SQL of sql-tests/tpch says, as somebody who knows Polars would: subqueries become joins, windows or
aggregates, over no more rows than matter. None uses that a column is a key, for the SQL engines are not told either.
Polars joins in the order written, so that order is ours.

A product of decimals has the larger scale of its two factors in Polars, so one factor is widened first: money is exact
here as in the SQL engines.
"""

import datetime
import inspect

import polars as pl

import sql

c = pl.col


class Engine:
    version = pl.__version__

    def __init__(self, folder, threads):
        if pl.thread_pool_size() != threads:
            raise ValueError(f"POLARS_MAX_THREADS gives {pl.thread_pool_size()} threads instead of {threads}")
        self.tables = {table: pl.scan_parquet(folder / f"{table}.parquet") for table in sql.TABLES}

    def run(self, number):
        query = globals()[f"q{number:02}"]
        tables = [self.tables[name] for name in inspect.signature(query).parameters]
        return query(*tables).collect(engine="streaming")

    def to_arrow(self, result):
        return result.to_arrow()


def _date(text):
    return datetime.date.fromisoformat(text)


def _widened(money, scale=4):
    return money.cast(pl.Decimal(38, scale))


REVENUE = _widened(c.l_extendedprice) * (1 - c.l_discount)


def q01(lineitem):
    return (
        lineitem.filter(c.l_shipdate <= _date("1998-09-02"))
        .with_columns(disc_price=_widened(c.l_extendedprice, 6) * (1 - c.l_discount))
        .with_columns(charge=c.disc_price * (1 + c.l_tax))
        .group_by("l_returnflag", "l_linestatus")
        .agg(
            sum_qty=c.l_quantity.sum(),
            sum_base_price=c.l_extendedprice.sum(),
            sum_disc_price=c.disc_price.sum(),
            sum_charge=c.charge.sum(),
            avg_qty=c.l_quantity.mean(),
            avg_price=c.l_extendedprice.mean(),
            avg_disc=c.l_discount.mean(),
            count_order=pl.len(),
        )
        .sort("l_returnflag", "l_linestatus")
    )


def q02(part, supplier, partsupp, nation, region):
    return (
        part.filter(c.p_size == 15, c.p_type.str.ends_with("BRASS"))
        .join(partsupp, left_on="p_partkey", right_on="ps_partkey")
        .join(
            region.filter(c.r_name == "EUROPE")
            .join(nation, left_on="r_regionkey", right_on="n_regionkey")
            .join(supplier, left_on="n_nationkey", right_on="s_nationkey"),
            left_on="ps_suppkey",
            right_on="s_suppkey",
        )
        .filter(c.ps_supplycost == c.ps_supplycost.min().over("p_partkey"))
        .select("s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone", "s_comment")
        .sort("s_acctbal", "n_name", "s_name", "p_partkey", descending=[True, False, False, False])
        .head(100)
    )


def q03(customer, orders, lineitem):
    return (
        customer.filter(c.c_mktsegment == "BUILDING")
        .join(orders.filter(c.o_orderdate < _date("1995-03-15")), left_on="c_custkey", right_on="o_custkey")
        .join(lineitem.filter(c.l_shipdate > _date("1995-03-15")), left_on="o_orderkey", right_on="l_orderkey")
        .group_by("o_orderkey", "o_orderdate", "o_shippriority")
        .agg(revenue=REVENUE.sum())
        .select(c.o_orderkey.alias("l_orderkey"), "revenue", "o_orderdate", "o_shippriority")
        .sort("revenue", "o_orderdate", descending=[True, False])
        .head(10)
    )


def q04(orders, lineitem):
    return (
        orders.filter(c.o_orderdate >= _date("1993-07-01"), c.o_orderdate < _date("1993-10-01"))
        .join(
            lineitem.filter(c.l_commitdate < c.l_receiptdate), left_on="o_orderkey", right_on="l_orderkey", how="semi"
        )
        .group_by("o_orderpriority")
        .agg(order_count=pl.len())
        .sort("o_orderpriority")
    )


def q05(customer, orders, lineitem, supplier, nation, region):
    return (
        region.filter(c.r_name == "ASIA")
        .join(nation, left_on="r_regionkey", right_on="n_regionkey")
        .join(customer, left_on="n_nationkey", right_on="c_nationkey")
        .join(
            orders.filter(c.o_orderdate >= _date("1994-01-01"), c.o_orderdate < _date("1995-01-01")),
            left_on="c_custkey",
            right_on="o_custkey",
        )
        .join(lineitem, left_on="o_orderkey", right_on="l_orderkey")
        .join(supplier, left_on=["l_suppkey", "n_nationkey"], right_on=["s_suppkey", "s_nationkey"])
        .group_by("n_name")
        .agg(revenue=REVENUE.sum())
        .sort("revenue", descending=True)
    )


def q06(lineitem):
    return lineitem.filter(
        c.l_shipdate >= _date("1994-01-01"),
        c.l_shipdate < _date("1995-01-01"),
        c.l_discount.is_between(pl.lit("0.05").cast(pl.Decimal(15, 2)), pl.lit("0.07").cast(pl.Decimal(15, 2))),
        c.l_quantity < 24,
    ).select(revenue=(_widened(c.l_extendedprice) * c.l_discount).sum())


def q07(supplier, lineitem, orders, customer, nation):
    two = nation.filter(c.n_name.is_in(["FRANCE", "GERMANY"])).select("n_nationkey", "n_name")
    suppliers = two.rename({"n_name": "supp_nation"}).join(supplier, left_on="n_nationkey", right_on="s_nationkey")
    customers = two.rename({"n_name": "cust_nation"}).join(customer, left_on="n_nationkey", right_on="c_nationkey")
    return (
        suppliers.join(
            lineitem.filter(c.l_shipdate.is_between(_date("1995-01-01"), _date("1996-12-31"))),
            left_on="s_suppkey",
            right_on="l_suppkey",
        )
        .join(
            customers.join(orders, left_on="c_custkey", right_on="o_custkey"),
            left_on="l_orderkey",
            right_on="o_orderkey",
        )
        .filter(c.supp_nation != c.cust_nation)
        .group_by("supp_nation", "cust_nation", c.l_shipdate.dt.year().alias("l_year"))
        .agg(revenue=REVENUE.sum())
        .sort("supp_nation", "cust_nation", "l_year")
    )


def q08(part, supplier, lineitem, orders, customer, nation, region):
    american = (
        region.filter(c.r_name == "AMERICA")
        .join(nation, left_on="r_regionkey", right_on="n_regionkey")
        .join(customer, left_on="n_nationkey", right_on="c_nationkey")
        .select("c_custkey")
    )
    return (
        part.filter(c.p_type == "ECONOMY ANODIZED STEEL")
        .join(lineitem, left_on="p_partkey", right_on="l_partkey")
        .join(
            orders.filter(c.o_orderdate.is_between(_date("1995-01-01"), _date("1996-12-31"))),
            left_on="l_orderkey",
            right_on="o_orderkey",
        )
        .join(american, left_on="o_custkey", right_on="c_custkey")
        .join(supplier, left_on="l_suppkey", right_on="s_suppkey")
        .join(nation, left_on="s_nationkey", right_on="n_nationkey")
        .select("n_name", o_year=c.o_orderdate.dt.year(), volume=REVENUE)
        .group_by("o_year")
        .agg(brazil=c.volume.filter(c.n_name == "BRAZIL").sum(), all=c.volume.sum())
        .select("o_year", mkt_share=c.brazil.cast(pl.Float64) / c.all.cast(pl.Float64))
        .sort("o_year")
    )


def q09(part, supplier, lineitem, partsupp, orders, nation):
    return (
        part.filter(c.p_name.str.contains("green", literal=True))
        .join(lineitem, left_on="p_partkey", right_on="l_partkey")
        .join(partsupp, left_on=["p_partkey", "l_suppkey"], right_on=["ps_partkey", "ps_suppkey"])
        .join(supplier, left_on="l_suppkey", right_on="s_suppkey")
        .join(nation, left_on="s_nationkey", right_on="n_nationkey")
        .join(orders, left_on="l_orderkey", right_on="o_orderkey")
        .select(
            c.n_name.alias("nation"),
            o_year=c.o_orderdate.dt.year(),
            amount=REVENUE - _widened(c.ps_supplycost) * c.l_quantity,
        )
        .group_by("nation", "o_year")
        .agg(sum_profit=c.amount.sum())
        .sort("nation", "o_year", descending=[False, True])
    )


def q10(customer, orders, lineitem, nation):
    return (
        orders.filter(c.o_orderdate >= _date("1993-10-01"), c.o_orderdate < _date("1994-01-01"))
        .join(lineitem.filter(c.l_returnflag == "R"), left_on="o_orderkey", right_on="l_orderkey")
        .join(customer, left_on="o_custkey", right_on="c_custkey")
        .join(nation, left_on="c_nationkey", right_on="n_nationkey")
        .group_by(c.o_custkey.alias("c_custkey"), "c_name", "c_acctbal", "c_phone", "n_name", "c_address", "c_comment")
        .agg(revenue=REVENUE.sum())
        .select("c_custkey", "c_name", "revenue", "c_acctbal", "n_name", "c_address", "c_phone", "c_comment")
        .sort("revenue", descending=True)
        .head(20)
    )


def q11(partsupp, supplier, nation):
    return (
        nation.filter(c.n_name == "GERMANY")
        .join(supplier, left_on="n_nationkey", right_on="s_nationkey")
        .join(partsupp, left_on="s_suppkey", right_on="ps_suppkey")
        .group_by("ps_partkey")
        .agg(value=(c.ps_supplycost * c.ps_availqty).sum())
        # The total of the subquery is the total of the groups.
        .filter(_widened(c.value, 6) > _widened(c.value.sum(), 6) * pl.lit("0.0001").cast(pl.Decimal(38, 4)))
        .sort("value", descending=True)
    )


def q12(orders, lineitem):
    urgent = c.o_orderpriority.is_in(["1-URGENT", "2-HIGH"])
    return (
        lineitem.filter(
            c.l_shipmode.is_in(["MAIL", "SHIP"]),
            c.l_commitdate < c.l_receiptdate,
            c.l_shipdate < c.l_commitdate,
            c.l_receiptdate >= _date("1994-01-01"),
            c.l_receiptdate < _date("1995-01-01"),
        )
        .join(orders, left_on="l_orderkey", right_on="o_orderkey")
        .group_by("l_shipmode")
        .agg(high_line_count=urgent.sum(), low_line_count=(~urgent).sum())
        .sort("l_shipmode")
    )


def q13(customer, orders):
    return (
        customer.join(
            orders.filter(~c.o_comment.str.contains("special.*requests")),
            left_on="c_custkey",
            right_on="o_custkey",
            how="left",
        )
        .group_by("c_custkey")
        .agg(c_count=c.o_orderkey.count())
        .group_by("c_count")
        .agg(custdist=pl.len())
        .sort("custdist", "c_count", descending=True)
    )


def q14(lineitem, part):
    return (
        lineitem.filter(c.l_shipdate >= _date("1995-09-01"), c.l_shipdate < _date("1995-10-01"))
        .join(part, left_on="l_partkey", right_on="p_partkey")
        .select("p_type", volume=REVENUE)
        .select(promo=c.volume.filter(c.p_type.str.starts_with("PROMO")).sum(), all=c.volume.sum())
        .select(promo_revenue=100.0 * c.promo.cast(pl.Float64) / c.all.cast(pl.Float64))
    )


def q15(supplier, lineitem):
    return (
        lineitem.filter(c.l_shipdate >= _date("1996-01-01"), c.l_shipdate < _date("1996-04-01"))
        .group_by("l_suppkey")
        .agg(total_revenue=REVENUE.sum())
        .filter(c.total_revenue == c.total_revenue.max())
        .join(supplier, left_on="l_suppkey", right_on="s_suppkey")
        .select(c.l_suppkey.alias("s_suppkey"), "s_name", "s_address", "s_phone", "total_revenue")
        .sort("s_suppkey")
    )


def q16(partsupp, part, supplier):
    complaints = supplier.filter(c.s_comment.str.contains("Customer.*Complaints"))
    return (
        part.filter(
            c.p_brand != "Brand#45",
            ~c.p_type.str.starts_with("MEDIUM POLISHED"),
            c.p_size.is_in([49, 14, 23, 45, 19, 3, 36, 9]),
        )
        .join(partsupp, left_on="p_partkey", right_on="ps_partkey")
        .join(complaints, left_on="ps_suppkey", right_on="s_suppkey", how="anti")
        .group_by("p_brand", "p_type", "p_size")
        .agg(supplier_cnt=c.ps_suppkey.n_unique())
        .sort("supplier_cnt", "p_brand", "p_type", "p_size", descending=[True, False, False, False])
    )


def q17(lineitem, part):
    return (
        part.filter(c.p_brand == "Brand#23", c.p_container == "MED BOX")
        .join(lineitem, left_on="p_partkey", right_on="l_partkey")
        # All lines of a part are there, so the average over the window is that of the subquery.
        .filter(c.l_quantity.cast(pl.Float64) < 0.2 * c.l_quantity.mean().over("p_partkey"))
        .select(avg_yearly=c.l_extendedprice.sum().cast(pl.Float64) / 7.0)
    )


def q18(customer, orders, lineitem):
    large = lineitem.group_by("l_orderkey").agg(c.l_quantity.sum()).filter(c.l_quantity > 300)
    return (
        orders.join(large, left_on="o_orderkey", right_on="l_orderkey", how="semi")
        .join(lineitem, left_on="o_orderkey", right_on="l_orderkey")
        .join(customer, left_on="o_custkey", right_on="c_custkey")
        .group_by("c_name", c.o_custkey.alias("c_custkey"), "o_orderkey", "o_orderdate", "o_totalprice")
        .agg(sum_quantity=c.l_quantity.sum())
        .sort("o_totalprice", "o_orderdate", descending=[True, False])
        .head(100)
    )


def q19(lineitem, part):
    def kind(brand, containers, quantity, size):
        return (
            (c.p_brand == brand)
            & c.p_container.is_in(containers)
            & c.l_quantity.is_between(quantity, quantity + 10)
            & c.p_size.is_between(1, size)
        )

    return (
        lineitem.filter(c.l_shipmode.is_in(["AIR", "AIR REG"]), c.l_shipinstruct == "DELIVER IN PERSON")
        .join(part, left_on="l_partkey", right_on="p_partkey")
        .filter(
            kind("Brand#12", ["SM CASE", "SM BOX", "SM PACK", "SM PKG"], 1, 5)
            | kind("Brand#23", ["MED BAG", "MED BOX", "MED PKG", "MED PACK"], 10, 10)
            | kind("Brand#34", ["LG CASE", "LG BOX", "LG PACK", "LG PKG"], 20, 15)
        )
        .select(revenue=REVENUE.sum())
    )


def q20(supplier, nation, partsupp, part, lineitem):
    parts = part.filter(c.p_name.str.starts_with("forest"))
    offers = partsupp.join(parts, left_on="ps_partkey", right_on="p_partkey", how="semi")
    offer, line = ["ps_partkey", "ps_suppkey"], ["l_partkey", "l_suppkey"]
    sold = (
        lineitem.filter(c.l_shipdate >= _date("1994-01-01"), c.l_shipdate < _date("1995-01-01"))
        .join(offers, left_on=line, right_on=offer, how="semi")
        .group_by(line)
        .agg(half=0.5 * c.l_quantity.sum().cast(pl.Float64))
    )
    surplus = offers.join(sold, left_on=offer, right_on=line).filter(c.ps_availqty > c.half)
    return (
        nation.filter(c.n_name == "CANADA")
        .join(supplier, left_on="n_nationkey", right_on="s_nationkey")
        .join(surplus, left_on="s_suppkey", right_on="ps_suppkey", how="semi")
        .select("s_name", "s_address")
        .sort("s_name")
    )


def q21(supplier, lineitem, orders, nation):
    late = c.l_receiptdate > c.l_commitdate
    waiting = (
        nation.filter(c.n_name == "SAUDI ARABIA")
        .join(supplier, left_on="n_nationkey", right_on="s_nationkey")
        .join(lineitem.filter(late), left_on="s_suppkey", right_on="l_suppkey")
        .join(orders.filter(c.o_orderstatus == "F"), left_on="l_orderkey", right_on="o_orderkey")
        .select("s_name", "l_orderkey")
    )
    # Another supplier is there when the smallest and the largest of an order's suppliers differ.
    blamed = (
        lineitem.join(waiting, on="l_orderkey", how="semi")
        .group_by("l_orderkey")
        .agg(
            others=c.l_suppkey.min() != c.l_suppkey.max(),
            others_late=c.l_suppkey.filter(late).min() != c.l_suppkey.filter(late).max(),
        )
        .filter(c.others, ~c.others_late)
    )
    return (
        waiting.join(blamed, on="l_orderkey", how="semi")
        .group_by("s_name")
        .agg(numwait=pl.len())
        .sort("numwait", "s_name", descending=[True, False])
        .head(100)
    )


def q22(customer, orders):
    return (
        customer.select("c_custkey", "c_acctbal", cntrycode=c.c_phone.str.slice(0, 2))
        .filter(c.cntrycode.is_in(["13", "31", "23", "29", "30", "18", "17"]))
        .filter(c.c_acctbal.cast(pl.Float64) > c.c_acctbal.filter(c.c_acctbal > 0).mean())
        .join(orders, left_on="c_custkey", right_on="o_custkey", how="anti")
        .group_by("cntrycode")
        .agg(numcust=pl.len(), totacctbal=c.c_acctbal.sum())
        .sort("cntrycode")
    )
