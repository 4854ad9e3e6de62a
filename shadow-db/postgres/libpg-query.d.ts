/** The part of libpg-query's WebAssembly module that the parser uses. Pointers are byte addresses in its memory. */
declare module 'libpg-query/wasm/libpg-query.js' {
  interface ParserInstance {
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    /** Takes a NUL-terminated UTF-8 text; gives { tree: char*, stderr: char*, error: { message, function, file, line, position }* }. */
    _wasm_parse_query_raw(text: number): number;
    _wasm_free_parse_result(result: number): void;
    lengthBytesUTF8(text: string): number;
    stringToUTF8(text: string, pointer: number, bytes: number): void;
    UTF8ToString(pointer: number): string;
    getValue(pointer: number, type: 'i32'): number;
  }
  const create: (options?: { print?: () => void; printErr?: () => void }) => Promise<ParserInstance>;
  export default create;
  export type { ParserInstance };
}
