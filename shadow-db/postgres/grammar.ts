/**
 * The closed list of nodes and fields that a tree may have: `field` holds scalars, lists and nodes that name their type,
 * `field:Type` a node whose type is not written. Whatever is not listed is refused, so that nothing which holds a table can be
 * missed, in later versions of the parser either.
 */
const table = `
  SelectStmt distinctClause intoClause:IntoClause targetList fromClause whereClause groupClause groupDistinct havingClause windowClause valuesLists sortClause limitOffset limitCount limitOption lockingClause withClause:WithClause op all larg:SelectStmt rarg:SelectStmt
  InsertStmt relation:RangeVar cols selectStmt onConflictClause:OnConflictClause returningClause:ReturningClause withClause:WithClause override
  UpdateStmt relation:RangeVar targetList whereClause fromClause returningClause:ReturningClause withClause:WithClause
  DeleteStmt relation:RangeVar usingClause whereClause returningClause:ReturningClause withClause:WithClause
  MergeStmt relation:RangeVar sourceRelation joinCondition mergeWhenClauses returningClause:ReturningClause withClause:WithClause
  MergeWhenClause matchKind commandType override condition targetList values
  ReturningClause options exprs
  ReturningOption option value location
  OnConflictClause action infer:InferClause targetList whereClause location
  InferClause indexElems whereClause conname location
  IndexElem name expr indexcolname collation opclass ordering nulls_ordering
  WithClause ctes recursive location
  CommonTableExpr ctename aliascolnames ctematerialized ctequery search_clause:CTESearchClause cycle_clause:CTECycleClause location
  CTESearchClause search_col_list search_breadth_first search_seq_column location
  CTECycleClause cycle_col_list cycle_mark_column cycle_mark_value cycle_mark_default cycle_path_column location
  LockingClause lockedRels strength waitPolicy
  RangeVar catalogname schemaname relname inh relpersistence alias:Alias location
  RangeSubselect lateral subquery alias:Alias
  RangeFunction lateral ordinality is_rowsfrom functions alias:Alias coldeflist
  RangeTableFunc lateral docexpr rowexpr namespaces columns alias:Alias location
  RangeTableFuncCol colname typeName:TypeName for_ordinality is_not_null colexpr coldefexpr location
  RangeTableSample relation method args repeatable location
  JoinExpr jointype isNatural larg rarg usingClause join_using_alias:Alias quals alias:Alias
  Alias aliasname colnames
  ColumnDef colname typeName:TypeName collClause:CollateClause is_local location
  ResTarget name indirection val location
  MultiAssignRef source colno ncolumns
  ColumnRef fields location
  ParamRef number location
  A_Star
  A_Const ival:Integer fval:Float boolval:Boolean sval:String bsval:BitString isnull location
  A_Expr kind name lexpr rexpr rexpr_list_start rexpr_list_end location
  A_ArrayExpr elements list_start list_end location
  A_Indices is_slice lidx uidx
  A_Indirection arg indirection
  BoolExpr boolop args location
  NullTest arg nulltesttype argisrow location
  BooleanTest arg booltesttype location
  CaseExpr arg args defresult location
  CaseWhen expr result location
  CoalesceExpr args location
  MinMaxExpr op args location
  RowExpr args row_format colnames location
  GroupingFunc args refs location
  GroupingSet kind content location
  SubLink subLinkType testexpr operName subselect location
  TypeCast arg typeName:TypeName location
  TypeName names setof typmods typemod arrayBounds location
  CollateClause arg collname location
  SortBy node sortby_dir sortby_nulls useOp location
  WindowDef name refname partitionClause orderClause frameOptions startOffset endOffset location
  FuncCall funcname args agg_order agg_filter over:WindowDef agg_within_group agg_star agg_distinct func_variadic funcformat location
  NamedArgExpr arg name argnumber location
  SQLValueFunction op typmod location
  SetToDefault location
  CurrentOfExpr cursor_name cursor_param
  MergeSupportFunc msftype location
  XmlExpr op name named_args arg_names args xmloption indent location
  XmlSerialize xmloption expr typeName:TypeName indent location
  JsonFormat format_type encoding location
  JsonReturning format:JsonFormat
  JsonOutput typeName:TypeName returning:JsonReturning
  JsonValueExpr raw_expr formatted_expr format:JsonFormat
  JsonArgument val:JsonValueExpr name
  JsonBehavior btype expr coerce location
  JsonFuncExpr op column_name context_item:JsonValueExpr pathspec passing output:JsonOutput on_empty:JsonBehavior on_error:JsonBehavior wrapper quotes location
  JsonTable context_item:JsonValueExpr pathspec:JsonTablePathSpec passing columns on_error:JsonBehavior alias:Alias lateral location
  JsonTablePathSpec string name name_location location
  JsonTableColumn coltype name typeName:TypeName pathspec:JsonTablePathSpec format:JsonFormat wrapper quotes columns on_empty:JsonBehavior on_error:JsonBehavior location
  JsonKeyValue key value:JsonValueExpr
  JsonParseExpr expr:JsonValueExpr output:JsonOutput unique_keys location
  JsonScalarExpr expr output:JsonOutput location
  JsonSerializeExpr expr:JsonValueExpr output:JsonOutput location
  JsonObjectConstructor exprs output:JsonOutput absent_on_null unique location
  JsonArrayConstructor exprs output:JsonOutput absent_on_null location
  JsonArrayQueryConstructor query output:JsonOutput format:JsonFormat absent_on_null location
  JsonAggConstructor output:JsonOutput agg_filter agg_order over:WindowDef location
  JsonObjectAgg constructor:JsonAggConstructor arg:JsonKeyValue absent_on_null unique
  JsonArrayAgg constructor:JsonAggConstructor arg:JsonValueExpr absent_on_null
  JsonIsPredicate expr format:JsonFormat item_type unique_keys location
  String sval
  Integer ival
  Float fval
  Boolean boolval
  BitString bsval
  List items
  ExplainStmt query options
  DeclareCursorStmt portalname options query
  DefElem defnamespace defname arg defaction location
  TruncateStmt relations restart_seqs behavior
  LockStmt relations mode nowait
`;

/** Node type → field → type of the node in it, or '' where the value says it itself. */
export const grammar: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map(
  table
    .trim()
    .split('\n')
    .map((line) => {
      const [type = '', ...fields] = line.trim().split(' ');
      return [
        type,
        new Map(fields.map((field) => field.split(':')).map(([name = '', of = '']) => [name, of])),
      ] as const;
    }),
);
